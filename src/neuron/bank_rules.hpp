// What every bank keeps, however it was read; the generator's exactness rests on these bounds.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "contourfuse/neuron/bank.hpp"

namespace contourfuse {

inline constexpr std::size_t kMaxSources = 4096;
inline constexpr std::size_t kMaxKnots = 64;
inline constexpr std::size_t kMaxGains = 16;
inline constexpr std::size_t kMaxSourceName = 256;

/// Bounds that keep every product k·T, g·T and 2^e·g·T a normal f32 (and so of one rounding), with
/// scales of frames.hpp's tables in [2^-16, 2^16] and hidden sizes up to 2^20.
inline constexpr int kMaxGainExponent = 16;
inline constexpr int kMaxCoefficientExponent = 32;
inline constexpr float kMaxScale = 65536.0F;

/// Throws Error{kBadInput, "bad-bank"} naming the source, unless: 1 … kMaxSources sources with
/// 1 … kMaxGains gains each, the same number in all; gains ascending powers of two; coefficients
/// bf16 values, zero or within 2^±kMaxCoefficientExponent; errors finite and not negative.
void check_bank(const NeuronBank& bank, const std::string& file);

[[nodiscard]] std::string_view to_string(LayerUse use) noexcept;
/// "both", "sliding", "global"; others are Error{kBadInput, "bad-bank"}.
[[nodiscard]] LayerUse parse_layer_use(std::string_view name, const std::string& file);

/// parse_activation, naming the file.
[[nodiscard]] Activation parse_activation_in(const std::string& file, std::string_view name);

/// The default gains for K mirrored pairs in a cell; other K than 4 and 8 are
/// Error{kUsage, "bad-gains-per-cell"}.
[[nodiscard]] std::vector<float> default_gains(std::uint64_t gains_per_cell);

}  // namespace contourfuse
