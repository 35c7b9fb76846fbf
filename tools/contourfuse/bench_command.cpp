// contourfuse bench
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "command.hpp"
#include "console.hpp"
#include "contourfuse/fusion/cost_model.hpp"
#include "contourfuse/model/synth.hpp"
#include "contourfuse/report/table.hpp"
#include "flag_values.hpp"

namespace contourfuse {
namespace {

struct BenchFlags {
  bool model_of_cost = false;
  std::string like = "31b";
  std::string card = "h100";
  bool recipe = false;
  FuseRates rates{};
};

// A fast NVMe drive; said in the output, as any rate that was not given.
constexpr double kStorageRead = 7e9;
constexpr double kStorageWrite = 5e9;

FuseRates rates_of(const BenchFlags& flags) {
  FuseRates rates = flags.rates;
  for (const Card& card : known_cards()) {
    if (card.name != flags.card) continue;
    if (rates.device_memory == 0) rates.device_memory = card.memory;
    if (rates.to_device == 0) rates.to_device = card.transfer;
    if (rates.from_device == 0) rates.from_device = card.transfer;
  }
  if (rates.read == 0) rates.read = kStorageRead;
  if (rates.write == 0) rates.write = kStorageWrite;
  return rates;
}

nlohmann::ordered_json cost_document(const BenchFlags& flags, const FuseSize& size,
                                     const FuseRates& rates, const FuseCost& cost) {
  nlohmann::ordered_json document;
  document["schema"] = "contourfuse.cost/1";
  document["like"] = flags.like;
  document["card"] = flags.card;
  document["delta"] = size.stored_delta ? "stored" : "recipe";
  document["rates"] = {{"read", rates.read},
                       {"write", rates.write},
                       {"to_device", rates.to_device},
                       {"from_device", rates.from_device},
                       {"device_memory", rates.device_memory},
                       {"devices", rates.devices}};
  document["stages"] = nlohmann::ordered_json::array();
  for (const CostStage& stage : cost.stages) {
    document["stages"].push_back({{"name", stage.name},
                                  {"resource", stage.resource},
                                  {"bytes", stage.bytes},
                                  {"seconds", stage.seconds}});
  }
  document["memory_bytes_per_element"] = cost.memory_per_element;
  document["limit"] = cost.limit;
  document["seconds"] = cost.seconds;
  document["seconds_without_overlap"] = cost.unoverlapped;
  return document;
}

int model_of_cost(const BenchFlags& flags, const RunFlags& run) {
  const ModelSize model = synth_size(flags.like);
  FuseSize size;
  size.checkpoint_bytes = model.checkpoint_bytes;
  size.down_elements = model.down_elements;
  size.gate_elements = model.gate_elements;
  size.stored_delta = !flags.recipe;
  const FuseRates rates = rates_of(flags);
  const FuseCost cost = model_fuse_cost(size, rates);
  if (run.json) {
    print_document(cost_document(flags, size, rates, cost));
    return 0;
  }
  print_text(fmt::format("fuse of {} (all layers, bf16, delta {}) on {} × {}\n", flags.like,
                         flags.recipe ? "made on the device" : "stored", rates.devices,
                         flags.card));
  Table table({{"stage", Align::kLeft}, {"resource", Align::kLeft}, {"bytes"}, {"time"}});
  for (const CostStage& stage : cost.stages) {
    table.add_row({std::string(stage.name), std::string(stage.resource),
                   format_bytes(static_cast<std::uint64_t>(stage.bytes)),
                   fmt::format("{:.3f} s", stage.seconds)});
  }
  print_text(table.text());
  print_text(fmt::format(
      "limit: {}, {:.2f} s ({:.2f} s if nothing overlapped); {:.2f} bytes of device memory traffic "
      "per element\nrates: storage {} read, {} write; PCIe {} in, {} out; device memory {}\n",
      cost.limit, cost.seconds, cost.unoverlapped, cost.memory_per_element, format_rate(rates.read),
      format_rate(rates.write), format_rate(rates.to_device), format_rate(rates.from_device),
      format_rate(rates.device_memory)));
  return 0;
}

std::string card_names() {
  std::string names;
  for (const Card& card : known_cards())
    names += (names.empty() ? "" : "|") + std::string(card.name);
  return names;
}

/// A rate as a size a second: 7GB.
void add_rate(CLI::App& command, const std::string& name, double& rate,
              const std::string& description) {
  command
      .add_option_function<std::string>(
          name,
          [name, &rate](const std::string& text) {
            rate = static_cast<double>(parse_size(name, text));
          },
          description)
      ->type_name("SIZE/S");
}

}  // namespace

void add_bench_command(CLI::App& app, Session& session) {
  CLI::App* command = add_command(app, session, "bench", "What a fuse costs, by bytes and rates",
                                  {"bench --model-of-cost --like 31b --card h100",
                                   "bench --model-of-cost --like 31b --card rtx4090 --read-rate "
                                   "3GB --write-rate 2GB --recipe"});
  const auto flags = std::make_shared<BenchFlags>();
  command->add_flag("--model-of-cost", flags->model_of_cost,
                    "Print the time of every stage on GPUs, and which resource is the limit");
  command->add_option("--like", flags->like, "The model to fuse (default: 31b)")
      ->check(CLI::IsMember(synth_models()));
  command->add_option("--card", flags->card, "Rates of a GPU and its PCIe (default: h100)")
      ->type_name(card_names())
      ->check([](const std::string& name) {
        const auto known = std::ranges::any_of(
            known_cards(), [&name](const Card& card) { return card.name == name; });
        return known ? std::string() : fmt::format("\"{}\" is none of {}", name, card_names());
      });
  command->add_flag("--recipe", flags->recipe, "The delta is made on the device, not read");
  add_rate(*command, "--read-rate", flags->rates.read, "Of the storage (default: 7GB)");
  add_rate(*command, "--write-rate", flags->rates.write, "Of the storage (default: 5GB)");
  add_rate(*command, "--to-device-rate", flags->rates.to_device, "Of PCIe, instead of the card's");
  add_rate(*command, "--from-device-rate", flags->rates.from_device,
           "Of PCIe, instead of the card's");
  add_rate(*command, "--memory-rate", flags->rates.device_memory,
           "Of device memory, instead of the card's");
  add_whole_number(
      *command, "--devices",
      [flags](std::uint64_t n) { flags->rates.devices = static_cast<unsigned>(n); },
      "GPUs that share the work (default: 1)", 1, 64);

  command->callback([&session, flags] {
    if (!flags->model_of_cost) throw CLI::RequiredError("--model-of-cost");
    session.action = [&session, flags](const Execution&) {
      return model_of_cost(*flags, session.flags);
    };
  });
}

}  // namespace contourfuse
