// What a sweep is asked to do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contourfuse/fusion/settings.hpp"

namespace contourfuse {

enum class BudgetMetric : std::uint8_t { kErrorAfterNorm, kOutputError, kDrift };
/// "error_after_norm" "output_error" "drift".
[[nodiscard]] std::string_view to_string(BudgetMetric metric) noexcept;

/// How much of a metric an edit may cost.
struct Budget {
  BudgetMetric metric = BudgetMetric::kErrorAfterNorm;
  double limit = 0.05;
};
/// "METRIC=VALUE", or a value alone for error_after_norm. Throws Error{kUsage, "bad-budget"}.
[[nodiscard]] Budget parse_budget(std::string_view text);

/// Most rows of seeded probes that a sweep may ask for.
inline constexpr std::uint64_t kMaxProbeTokens = 1'000'000;

struct SweepSettings {
  std::string model{};  ///< folder or hub id
  std::string revision{};
  std::filesystem::path weights{};
  std::vector<std::string> layers{};  ///< select_layers' words
  VarianceNorm variance_norm = VarianceNorm::kMatch;
  Rounding rounding = Rounding::kNearest;
  std::uint64_t rounding_seed = 0;  ///< of an exact sweep and of the fused points
  std::vector<double> alphas{};
  std::vector<double> gammas{};      ///< as given; a fuse uses them as f32
  std::filesystem::path probe{};     ///< captured MLP inputs; empty: seeded rows
  std::uint64_t probe_tokens = 256;  ///< 0: no function metrics
  std::uint64_t probe_seed = 0;
  bool exact = false;  ///< every number from stored bits, through the fuser's own code
  std::uint64_t layers_per_task = 1;
  std::optional<Budget> budget{};  ///< null: error_after_norm or, without it, drift; 0.05
};

}  // namespace contourfuse
