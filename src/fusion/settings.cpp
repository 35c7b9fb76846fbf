// The settings' words.
#include "contourfuse/fusion/settings.hpp"

#include <fmt/format.h>

#include <utility>

namespace contourfuse {

std::string_view to_string(VarianceNorm norm) noexcept {
  switch (norm) {
    case VarianceNorm::kMatch:
      return "match";
    case VarianceNorm::kUnit:
      return "unit";
    case VarianceNorm::kNone:
      return "none";
  }
  return "";
}

std::string_view to_string(Rounding rounding) noexcept {
  return rounding == Rounding::kNearest ? "nearest" : "stochastic";
}

std::string_view to_string(NonFinite nonfinite) noexcept {
  return nonfinite == NonFinite::kError ? "error" : "keep";
}

std::vector<std::string> fuse_command(const FuseSettings& settings) {
  const FuseParameters& parameters = settings.parameters;
  const FuseParameters defaults;
  std::vector<std::string> words{"contourfuse", "fuse", "--model", settings.model};
  const auto add = [&words](std::string flag, std::string value) {
    words.push_back(std::move(flag));
    words.push_back(std::move(value));
  };
  if (!settings.revision.empty()) add("--revision", settings.revision);
  add("--weights", settings.weights.string());
  add("--alpha", fmt::format("{}", parameters.alpha));
  add("--gamma-cap", fmt::format("{}", parameters.gamma_cap));
  if (!settings.layers.empty()) {
    words.emplace_back("--layers");
    words.insert(words.end(), settings.layers.begin(), settings.layers.end());
  }
  if (parameters.variance_norm != defaults.variance_norm) {
    add("--variance-norm", std::string(to_string(parameters.variance_norm)));
  }
  if (parameters.rounding != defaults.rounding) {
    add("--rounding", std::string(to_string(parameters.rounding)));
    add("--rounding-seed", std::to_string(parameters.rounding_seed));
  }
  if (parameters.nonfinite != defaults.nonfinite) {
    add("--nonfinite", std::string(to_string(parameters.nonfinite)));
  }
  if (parameters.require_full_coverage) words.emplace_back("--require-full-coverage");
  if (!settings.model_card) words.emplace_back("--no-model-card");
  return words;
}

}  // namespace contourfuse
