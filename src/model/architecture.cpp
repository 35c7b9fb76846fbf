// Matching of tensor names, by hand: a checkpoint with experts has a hundred thousand of them.
#include "contourfuse/model/architecture.hpp"

#include <array>
#include <charconv>

namespace contourfuse {
namespace {

/// Where families put the layers of the text model: Gemma 4 and other multimodal ones, text-only
/// exports, MLX exports.
constexpr std::array<std::string_view, 3> kLayerPrefixes = {
    "model.language_model.layers.", "model.layers.", "language_model.model.layers."};
/// Largest layer or expert number that is read.
constexpr std::uint64_t kMaxNumber = 1ULL << 31;

bool consume(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// A decimal number without leading zeros, followed by a dot.
std::optional<std::uint64_t> consume_number(std::string_view& text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, number);
  const auto digits = static_cast<std::size_t>(stop - text.data());
  if (failure != std::errc{} || stop == end || *stop != '.') return std::nullopt;
  if ((digits > 1 && text.front() == '0') || number > kMaxNumber) return std::nullopt;
  text.remove_prefix(digits + 1);
  return number;
}

std::optional<Role> dense_role(std::string_view leaf) {
  if (leaf == "gate_proj.weight") return Role::kGate;
  if (leaf == "up_proj.weight") return Role::kUp;
  if (leaf == "down_proj.weight") return Role::kDown;
  return std::nullopt;
}

std::optional<Role> mixtral_role(std::string_view leaf) {
  if (leaf == "w1.weight") return Role::kGate;
  if (leaf == "w3.weight") return Role::kUp;
  if (leaf == "w2.weight") return Role::kDown;
  return std::nullopt;
}

std::optional<Role> expert_tensor_role(std::string_view leaf) {
  if (leaf == "gate_up_proj") return Role::kGate;
  if (leaf == "down_proj") return Role::kDown;
  return std::nullopt;
}

/// What follows "layers.N.".
std::optional<MlpName> match_in_layer(std::string_view rest, std::uint64_t layer) {
  const auto named = [layer](MlpLayout layout, std::optional<Role> role) {
    return role ? std::optional(MlpName{layer, layout, *role}) : std::nullopt;
  };
  if (consume(rest, "block_sparse_moe.experts.")) {
    if (!consume_number(rest)) return std::nullopt;
    return named(MlpLayout::kExpertsPerTensor, mixtral_role(rest));
  }
  if (consume(rest, "experts.")) {
    return named(MlpLayout::kExpertTensors, expert_tensor_role(rest));
  }
  if (!consume(rest, "mlp.")) return std::nullopt;
  if (rest == "gate_up_proj.weight") return named(MlpLayout::kFusedGateUp, Role::kGate);
  if (consume(rest, "experts.")) {
    if (const auto role = expert_tensor_role(rest)) return named(MlpLayout::kExpertTensors, role);
    if (!consume_number(rest)) return std::nullopt;
    return named(MlpLayout::kExpertsPerTensor, dense_role(rest));
  }
  return named(MlpLayout::kDense, dense_role(rest));
}

}  // namespace

std::string_view to_string(Role role) noexcept {
  switch (role) {
    case Role::kGate:
      return "gate";
    case Role::kUp:
      return "up";
    case Role::kDown:
      return "down";
  }
  return "";
}

std::optional<MlpName> match_mlp_name(std::string_view tensor_name) {
  for (const std::string_view prefix : kLayerPrefixes) {
    std::string_view rest = tensor_name;
    if (!consume(rest, prefix)) continue;
    const auto layer = consume_number(rest);
    if (!layer) return std::nullopt;
    return match_in_layer(rest, *layer);
  }
  return std::nullopt;
}

std::string_view describe(MlpLayout layout) noexcept {
  switch (layout) {
    case MlpLayout::kDense:
      return "dense gate, up and down tensors";
    case MlpLayout::kFusedGateUp:
      return "fused gate and up tensors [2I, H]";
    case MlpLayout::kExpertTensors:
      return "expert tensors [E, 2I, H]";
    case MlpLayout::kExpertsPerTensor:
      return "one tensor per expert";
  }
  return "";
}

}  // namespace contourfuse
