// Fuzz target: a part of a sweep, and the results that are made of it.
#include "contourfuse/sweep/part.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "contourfuse/sweep/budget.hpp"
#include "contourfuse/sweep/merge.hpp"
#include "contourfuse/sweep/results.hpp"
#include "json_mutation.hpp"
#include "refusal.hpp"
#include "sweep/small_plan.hpp"

namespace contourfuse {
namespace {

using fuzz::require;

void check(const SweepPlan& plan, const std::vector<LayerGrid>& layers) {
  const std::string text = part_text(plan, 0, layers);
  require(part_text(plan, 0, parse_part(text, "again", plan, 0)) == text,
          "a part is written as it was read");
  MergedSweep merged;
  merged.results = make_results(layers);
  std::size_t bytes = 0;
  const TextSink count = [&bytes](std::string_view piece) { bytes += piece.size(); };
  write_jsonl(plan, merged.results, count);
  write_csv(plan, merged.results, count);
  require(bytes > 0, "results have lines");
  try {
    merged.budget = find_budget(plan, merged.results);
  } catch (const Error& error) {
    require(error.kind() == "budget-not-measured", "a budget is found or not measured");
  }
  for (const BudgetPoint& point : merged.budget.front) {
    require(point.alpha < plan.settings.alphas.size() && point.gamma < plan.settings.gammas.size(),
            "points of the budget are of the plan");
    require(point.value <= merged.budget.budget.limit, "and inside of the budget");
  }
  require(nlohmann::json::accept(page_document(plan, merged)), "the page's document is JSON");
}

void parse(const SweepPlan& plan, std::string_view text) {
  const auto layers = fuzz::accepted([&] { return parse_part(text, "input", plan, 0); });
  if (layers) check(plan, *layers);
}

}  // namespace
}  // namespace contourfuse

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return contourfuse::fuzz::mutate_json_in_place(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace contourfuse;
  static const SweepPlan plan = test::small_plan();
  static const std::string digest = plan_digest(plan);
  const std::string_view text = fuzz::text_of(data, size);
  parse(plan, text);
  parse(plan, test::sealed_part(text, digest));
  return 0;
}
