// Families of odd source neurons.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "contourfuse/neuron/piecewise_linear.hpp"

namespace contourfuse {

struct NamedFunction {
  std::string name{};  ///< "leaky_clip(1, 0.25)"
  PiecewiseLinear function;
};

/// `linear`, `hardtanh(c)`, `softthreshold(t)`, `leaky_clip(c, slope)`, `deadzone_clip(t, c)`,
/// `two_slope(t, s0, s1)`. An unknown family, another number of parameters or parameters out of
/// order are Error{kBadInput, "bad-family"}.
[[nodiscard]] NamedFunction make_family(std::string_view family,
                                        std::span<const double> parameters);

}  // namespace contourfuse
