// The neuron bank: reusable source neurons with their fitted coefficients.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "contourfuse/io/publish.hpp"
#include "contourfuse/neuron/activation.hpp"
#include "contourfuse/neuron/piecewise_linear.hpp"

namespace contourfuse {

/// Which layers a source neuron is dealt to.
enum class LayerUse : std::uint8_t { kBoth, kSliding, kGlobal };

struct SourceNeuron {
  std::string name{};  ///< "softthreshold(0.5)"
  LayerUse kind = LayerUse::kBoth;
  PiecewiseLinear function;
  std::vector<float> gains{};         ///< powers of two, ascending
  std::vector<float> coefficients{};  ///< bf16 values, one per gain
  double fit_error = 0;               ///< relative L2 error under φ, after quantisation
  double storage_error = 0;           ///< extra relative error of stored bf16 rows, measured
};

struct NeuronBank {
  Activation activation = Activation::kGeluTanh;
  double derivative_weight = 0.01;  ///< λ of the fit
  double ridge = 1e-5;
  std::vector<SourceNeuron> sources{};
  [[nodiscard]] std::uint64_t gains_per_cell() const { return sources.front().gains.size(); }
};

/// Bank of the default families.
[[nodiscard]] NeuronBank make_default_bank(Activation activation, std::uint64_t gains_per_cell = 8);

/// Bank from the text of a families file (docs/neurons.md gives its JSON), `file` in messages.
[[nodiscard]] NeuronBank parse_families(std::string_view text, const std::string& file,
                                        Activation activation, std::uint64_t gains_per_cell,
                                        bool drop_even_part);
/// The same from the file itself.
[[nodiscard]] NeuronBank make_bank(Activation activation, std::uint64_t gains_per_cell,
                                   const std::filesystem::path& families, bool drop_even_part);

/// A bank file as formats.md 5. Coefficients that are no bf16 values are refused.
[[nodiscard]] NeuronBank read_bank(const std::filesystem::path& path);
void write_bank(const NeuronBank& bank, const std::filesystem::path& path, Durability durability);

/// The array "sources" of a bank, as delta.json and `inspect` hold it.
[[nodiscard]] nlohmann::ordered_json bank_sources_to_json(const NeuronBank& bank);
[[nodiscard]] NeuronBank bank_from_json(const nlohmann::json& sources, Activation activation,
                                        const std::string& file);

}  // namespace contourfuse
