// Merging, and the files that come of it.
#include "contourfuse/sweep/merge.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <tbb/parallel_invoke.h>

#include <algorithm>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/sweep/evaluate.hpp"
#include "contourfuse/sweep/part.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kNamedTasks = 10;

[[noreturn]] void refuse_missing(const fs::path& run, std::vector<std::size_t> missing,
                                 std::size_t tasks) {
  const std::size_t count = missing.size();
  missing.resize(std::min(count, kNamedTasks));
  throw Error(Failure::kIncomplete, "parts-missing",
              fmt::format("{} of {} tasks are not done yet: {}{}", count, tasks,
                          fmt::join(missing, ", "), count > kNamedTasks ? ", …" : ""),
              {.file = run.string()},
              fmt::format("contourfuse sweep work {} --task {}", run.string(), missing.front()));
}

}  // namespace

MergedSweep merge_parts(const SweepPlan& plan, const fs::path& run) {
  std::vector<LayerGrid> layers;
  std::vector<std::size_t> missing;
  for (std::size_t task = 0; task < plan.tasks.size(); ++task) {
    auto part = read_part(plan, run, task);
    if (!part) {
      missing.push_back(task);
      continue;
    }
    std::move(part->begin(), part->end(), std::back_inserter(layers));
  }
  if (!missing.empty()) refuse_missing(run, std::move(missing), plan.tasks.size());
  MergedSweep merged;
  merged.results = make_results(std::move(layers));
  merged.results.evaluations = read_evaluations(plan, run);
  merged.budget = find_budget(plan, merged.results);
  return merged;
}

void write_results(const SweepPlan& plan, const fs::path& run, const MergedSweep& merged) {
  const auto write = [&](const char* name, auto results) {
    // Not synced: the parts are, and the same bytes can be made of them again.
    write_pieces(
        run / name, [&](const TextSink& sink) { results(plan, merged.results, sink); }, false);
  };
  tbb::parallel_invoke([&] { write("results.jsonl", write_jsonl); },
                       [&] { write("results.csv", write_csv); });
}

}  // namespace contourfuse
