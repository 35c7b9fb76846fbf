// The page of `neurons --plot`: every neuron of a bank drawn, in one HTML file.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace contourfuse {

/// One source neuron sampled at `z`; all vectors have the same length.
struct NeuronCurves {
  std::string name{};
  std::string kind{};    ///< layers it is dealt to: "both", "sliding", "global"
  double fit_error = 0;  ///< relative L2 error under the normal density
  double storage_error = 0;
  std::vector<double> z{};
  std::vector<double> function{};             ///< f, the source neuron
  std::vector<double> derivative{};           ///< f′, the derivative neuron
  std::vector<double> realised{};             ///< F, what the cell computes
  std::vector<double> realised_derivative{};  ///< F′
};

/// A page that opens offline and asks for nothing from elsewhere: inline SVG, light and dark by the
/// reader's preference. Throws std::invalid_argument for vectors of unequal length.
[[nodiscard]] std::string bank_page(const std::string& activation, std::uint64_t gains_per_cell,
                                    std::span<const NeuronCurves> neurons);

}  // namespace contourfuse
