// Bounds of a recipe's layers, checked before a generator is made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "contourfuse/neuron/recipe.hpp"

namespace contourfuse {

/// A table has 4H entries, and an index of it plus its step must fit 32 bits.
inline constexpr std::uint64_t kMaxHiddenSize = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kMaxIntermediateSize = std::uint64_t{1} << 24;
/// The layer number is a Philox counter word.
inline constexpr std::uint64_t kMaxLayer = 0xFFFFFFFF;
inline constexpr std::size_t kMaxLayers = 65536;

[[nodiscard]] bool is_allowed_scale(float scale) noexcept;

/// Whether source neurons of that use are dealt to layers of that kind.
[[nodiscard]] bool is_dealt_to(LayerUse use, LayerKind kind) noexcept;

/// Throws Error{kBadInput, "bad-recipe"} for sizes out of bounds and for a layer that no source
/// neuron is meant for.
void check_layer(const NeuronBank& bank, const RecipeLayer& layer, const std::string& file);

}  // namespace contourfuse
