// The settings' words.
#include "contourfuse/fusion/settings.hpp"

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

}  // namespace contourfuse
