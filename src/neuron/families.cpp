// Families by name: knots and slopes from their parameters.
#include "contourfuse/neuron/families.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

using Parameters = std::span<const double>;

struct Family {
  std::string_view name;
  std::string_view signature;
  std::size_t parameters;
  PiecewiseLinear (*make)(Parameters);
};

constexpr std::array kFamilies{
    Family{"linear", "linear", 0, [](Parameters) { return PiecewiseLinear({}, {1}); }},
    Family{"hardtanh", "hardtanh(c)", 1,
           [](Parameters p) {
             return PiecewiseLinear({p[0]}, {1, 0});
           }},
    Family{"softthreshold", "softthreshold(t)", 1,
           [](Parameters p) {
             return PiecewiseLinear({p[0]}, {0, 1});
           }},
    Family{"leaky_clip", "leaky_clip(c, slope)", 2,
           [](Parameters p) {
             return PiecewiseLinear({p[0]}, {1, p[1]});
           }},
    Family{"deadzone_clip", "deadzone_clip(t, c)", 2,
           [](Parameters p) {
             return PiecewiseLinear({p[0], p[1]}, {0, 1, 0});
           }},
    Family{"two_slope", "two_slope(t, s0, s1)", 3,
           [](Parameters p) {
             return PiecewiseLinear({p[0]}, {p[1], p[2]});
           }},
};

}  // namespace

NamedFunction make_family(std::string_view family, std::span<const double> parameters) {
  for (const Family& known : kFamilies) {
    if (family != known.name) continue;
    if (parameters.size() != known.parameters) {
      throw Error(Failure::kBadInput, "bad-family",
                  fmt::format("{} parameters for {}", parameters.size(), known.signature));
    }
    std::string name(family);
    if (!parameters.empty()) name += fmt::format("({})", fmt::join(parameters, ", "));
    return {.name = std::move(name), .function = known.make(parameters)};
  }
  std::vector<std::string_view> names;
  names.reserve(std::size(kFamilies));
  for (const Family& known : kFamilies) names.push_back(known.signature);
  throw Error(Failure::kBadInput, "bad-family",
              fmt::format("the family \"{}\" is not known", family.substr(0, 80)), {},
              fmt::format("known are {}", fmt::join(names, ", ")));
}

}  // namespace contourfuse
