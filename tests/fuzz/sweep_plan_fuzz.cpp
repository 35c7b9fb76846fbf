// Fuzz target: plan.json of a sweep.
#include <string>

#include "json_mutation.hpp"
#include "refusal.hpp"
#include "sweep/plan_document.hpp"

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return contourfuse::fuzz::mutate_json_in_place(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace contourfuse;
  const auto plan = fuzz::accepted([&] { return parse_plan(fuzz::text_of(data, size), "input"); });
  if (!plan) return 0;
  const std::string text = plan_text(*plan);
  fuzz::require(plan_text(parse_plan(text, "again")) == text, "a plan is written as it was read");
  return 0;
}
