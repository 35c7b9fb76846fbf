// A bank as curves to draw.
#pragma once

#include <string_view>
#include <vector>

#include "contourfuse/neuron/bank.hpp"
#include "contourfuse/report/bank_page.hpp"

namespace contourfuse {

/// "both", "sliding", "global".
[[nodiscard]] std::string_view layer_use_name(LayerUse use) noexcept;

/// Every neuron sampled where a standard normal input lies.
[[nodiscard]] std::vector<NeuronCurves> sample_bank(const NeuronBank& bank);

}  // namespace contourfuse
