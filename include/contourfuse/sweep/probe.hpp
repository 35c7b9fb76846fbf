// Inputs of an MLP to measure its output on: seeded rows, or rows captured from a running model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "contourfuse/io/safetensors.hpp"

namespace contourfuse {

/// Rows of MLP inputs, [tokens, H] row-major.
struct ProbeRows {
  std::uint64_t tokens = 0;
  std::vector<float> values{};
};

/// `tokens` rows of standard normal numbers, each scaled to a root mean square of 1, times
/// `norm_weight` (of H elements, or empty for 1). Row t, column h comes from Philox4x32-10 with the
/// seed as key and counter (k low, k high, t low, t high), k = h / 2: the upper 53 bits n of words
/// 0 (low) and 1 (high) give u₁ = (n + ½)·2⁻⁵³, words 2 and 3 u₂ likewise, and Box–Muller √(−2 ln
/// u₁)·(cos, sin)(2πu₂) the columns 2k and 2k+1; all in f64, rounded once to f32.
[[nodiscard]] ProbeRows seeded_probe(std::uint64_t tokens, std::uint64_t hidden_size,
                                     std::uint64_t seed, std::span<const float> norm_weight);

/// A safetensors file with `layers.N.mlp_input` [tokens, H] for every layer that is swept.
class ProbeFile {
 public:
  /// Reads the header. Throws Error{kBadInput} for what is no such file.
  explicit ProbeFile(const std::filesystem::path& path);
  /// The rows of a layer. Throws Error{kBadInput, "probe-…"} for a missing tensor, a shape that is
  /// not [tokens ≥ 1, hidden_size], a type that is no float, a value that is not finite.
  [[nodiscard]] ProbeRows rows(std::uint64_t layer, std::uint64_t hidden_size) const;

 private:
  std::filesystem::path path_;
  SafetensorsHeader header_;
};

}  // namespace contourfuse
