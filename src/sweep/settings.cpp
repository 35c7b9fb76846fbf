// Words for what a sweep is asked to do.
#include "contourfuse/sweep/settings.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "contourfuse/core/error.hpp"

namespace contourfuse {

std::string_view to_string(BudgetMetric metric) noexcept {
  switch (metric) {
    case BudgetMetric::kOutputError:
      return "output_error";
    case BudgetMetric::kDrift:
      return "drift";
    default:
      return "error_after_norm";
  }
}

Budget parse_budget(std::string_view text) {
  const auto refuse = [text](std::string_view rule) {
    throw Error(Failure::kUsage, "bad-budget", fmt::format("--budget \"{}\": {}", text, rule), {},
                "for example --budget error_after_norm=0.05; the metrics are error_after_norm, "
                "output_error and drift");
  };
  Budget budget;
  const std::size_t equals = text.find('=');
  if (equals != std::string_view::npos) {
    const std::string_view name = text.substr(0, equals);
    bool known = false;
    for (const BudgetMetric metric :
         {BudgetMetric::kErrorAfterNorm, BudgetMetric::kOutputError, BudgetMetric::kDrift}) {
      if (to_string(metric) != name) continue;
      budget.metric = metric;
      known = true;
    }
    if (!known) refuse("there is no such metric");
  }
  const std::string_view number = equals == std::string_view::npos ? text : text.substr(equals + 1);
  const char* const end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, budget.limit);
  if (error != std::errc{} || stop != end || !std::isfinite(budget.limit) || budget.limit < 0) {
    refuse("the limit is no number, 0 or more");
  }
  return budget;
}

}  // namespace contourfuse
