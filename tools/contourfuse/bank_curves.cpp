// Sampling of f, f′, F and F′.
#include "bank_curves.hpp"

#include <cstddef>

namespace contourfuse {
namespace {

// Four standard deviations on each side: F grows like z² outside, which would flatten the rest.
constexpr double kReach = 4;
constexpr std::size_t kSamples = 641;

}  // namespace

std::string_view layer_use_name(LayerUse use) noexcept {
  switch (use) {
    case LayerUse::kBoth:
      return "both";
    case LayerUse::kSliding:
      return "sliding";
    case LayerUse::kGlobal:
      return "global";
  }
  return "";
}

std::vector<NeuronCurves> sample_bank(const NeuronBank& bank) {
  std::vector<NeuronCurves> curves;
  for (const SourceNeuron& source : bank.sources) {
    NeuronCurves& neuron = curves.emplace_back();
    neuron.name = source.name;
    neuron.kind = layer_use_name(source.kind);
    neuron.fit_error = source.fit_error;
    neuron.storage_error = source.storage_error;
    for (std::size_t i = 0; i < kSamples; ++i) {
      const double z =
          kReach * (2 * static_cast<double>(i) / static_cast<double>(kSamples - 1) - 1);
      double realised = 0;
      double slope = 0;
      for (std::size_t j = 0; j < source.gains.size(); ++j) {
        const auto gain = static_cast<double>(source.gains[j]);
        const auto coefficient = static_cast<double>(source.coefficients[j]);
        realised += coefficient * mirrored_pair(bank.activation, gain, z);
        slope += coefficient * mirrored_pair_derivative(bank.activation, gain, z);
      }
      neuron.z.push_back(z);
      neuron.function.push_back(source.function(z));
      neuron.derivative.push_back(source.function.derivative(z));
      neuron.realised.push_back(realised);
      neuron.realised_derivative.push_back(slope);
    }
  }
  return curves;
}

}  // namespace contourfuse
