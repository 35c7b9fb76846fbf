// What `bench` measured, for people and machines.
#include "bench_text.hpp"

#include <fmt/format.h>

#include <string>

#include "console.hpp"
#include "contourfuse/report/table.hpp"

namespace contourfuse {
namespace {

double rate(const MeasuredCase& measured) {
  return static_cast<double>(measured.bytes) / median(measured.times.seconds);
}

std::string_view durability_name(const BenchFlags& flags) {
  return flags.durability == Durability::kFull ? "full" : "none";
}

}  // namespace

nlohmann::ordered_json bench_document(const BenchFlags& flags, const BenchResult& result,
                                      int threads) {
  nlohmann::ordered_json document;
  document["schema"] = "contourfuse.bench/1";
  document["what"] = flags.what;
  document["threads"] = threads;
  document["durability"] = durability_name(flags);
  document["cache"] = flags.cold ? "cold" : "warm";
  document["ceiling"] = result.cases[result.ceiling].name;
  document["cases"] = nlohmann::ordered_json::array();
  for (const MeasuredCase& measured : result.cases) {
    document["cases"].push_back({{"name", measured.name},
                                 {"bytes", measured.bytes},
                                 {"seconds", measured.times.seconds},
                                 {"median_seconds", median(measured.times.seconds)},
                                 {"bytes_per_second", rate(measured)},
                                 {"times_ceiling", measured.times_ceiling},
                                 {"peak_anonymous_bytes", measured.times.peak_anonymous_bytes}});
  }
  return document;
}

void print_bench(const BenchFlags& flags, const BenchResult& result, int threads) {
  Table table({{"", Align::kLeft},
               {"bytes"},
               {"time"},
               {"rate"},
               {"time / ceiling"},
               {"of the ceiling"},
               {"memory"}});
  for (const MeasuredCase& measured : result.cases) {
    table.add_row({measured.name, format_bytes(measured.bytes),
                   fmt::format("{:.3f} s", median(measured.times.seconds)),
                   format_rate(rate(measured)), fmt::format("{:.2f}", measured.times_ceiling),
                   format_percent(1 / measured.times_ceiling),
                   format_bytes(measured.times.peak_anonymous_bytes)});
  }
  print_text(table.text());
  if (flags.what == "kernels") {
    print_text(
        fmt::format("ceiling: memcpy; medians of {} rounds in turn; one thread, and every case "
                    "touches as many bytes, read or written\n",
                    flags.rounds));
    return;
  }
  print_text(fmt::format(
      "ceiling: {}; medians of {} rounds in turn; {} thread{}, durability {}, cache {}\n",
      result.cases[result.ceiling].name, flags.rounds, threads, threads == 1 ? "" : "s",
      durability_name(flags), flags.cold ? "cold" : "warm"));
  print_text(fmt::format("model and delta are kept in {}\n", visible(flags.folder.string())));
}

}  // namespace contourfuse
