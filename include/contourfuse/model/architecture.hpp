// Tensor names → roles: which tensors of which families are gate, up and down projections.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace contourfuse {

enum class Role : std::uint8_t { kGate, kUp, kDown };
/// "gate", "up", "down".
[[nodiscard]] std::string_view to_string(Role role) noexcept;

/// How a family lays the MLP of a layer out in tensors.
enum class MlpLayout : std::uint8_t {
  kDense,             ///< mlp.{gate,up,down}_proj.weight
  kFusedGateUp,       ///< mlp.gate_up_proj.weight [2I, H] (Phi-3)
  kExpertTensors,     ///< experts.gate_up_proj [E, 2I, H] (Gemma 4 26B-A4B)
  kExpertsPerTensor,  ///< mlp.experts.E.{gate,up,down}_proj.weight (Qwen MoE), w1/w2/w3 (Mixtral)
};

struct MlpName {
  std::uint64_t layer = 0;
  MlpLayout layout = MlpLayout::kDense;
  Role role = Role::kGate;  ///< meaningful for dense tensors
};

/// What the name says, for text MLP tensors of any layout; nothing for every other tensor (vision
/// towers, audio, clip scalars, per-layer inputs, shared experts …).
[[nodiscard]] std::optional<MlpName> match_mlp_name(std::string_view tensor_name);

/// The layout in words, for messages: "expert tensors [E, 2I, H]".
[[nodiscard]] std::string_view describe(MlpLayout layout) noexcept;

}  // namespace contourfuse
