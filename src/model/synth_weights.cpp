// A counter-based approximate normal in whole numbers: the same bits on every machine.
#include "synth_weights.hpp"

#include "contourfuse/io/hash.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/philox.hpp"

namespace contourfuse {
namespace {

constexpr float kSigma = 0.02F;
/// Bound of the range clips of vision and audio linears.
constexpr float kClip = 16.0F;
/// The sum of four uniform 16-bit numbers has mean 4·65535/2 and variance 4·(65536² − 1)/12, so a
/// standard deviation of 65536/√3 to 1 part in 10^10.
constexpr std::int32_t kSumMean = 131070;
constexpr float kSumDeviation = 37837.227F;

/// The 64 bits of counter `n` under `key`: the splitmix64 output function (Steele, Lea, Flood,
/// "Fast splittable pseudorandom number generators", OOPSLA 2014); Philox makes the keys.
std::uint64_t mix(std::uint64_t key, std::uint64_t n) noexcept {
  std::uint64_t z = key + (n + 1) * 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

std::uint64_t make_key(std::uint64_t seed, std::string_view tensor) {
  const std::uint64_t name = xxh3_64(tensor);
  const PhiloxBlock block = philox(
      seed, {{static_cast<std::uint32_t>(name), static_cast<std::uint32_t>(name >> 32), 0, 0}});
  return (std::uint64_t{block.word[1]} << 32) | block.word[0];
}

}  // namespace

SynthWeights::SynthWeights(std::uint64_t seed, std::string_view tensor)
    : key_(make_key(seed, tensor)), mean_(0), step_(kSigma / kSumDeviation) {
  const bool norm =
      tensor.find("norm") != std::string_view::npos || tensor.find("_ln") != std::string_view::npos;
  if (tensor.ends_with("_min")) {
    mean_ = -kClip;
    step_ = 0;
  } else if (tensor.ends_with("_max")) {
    mean_ = kClip;
    step_ = 0;
  } else if ((norm && tensor.ends_with(".weight")) || tensor.ends_with("scale") ||
             tensor.ends_with("layer_scalar")) {
    mean_ = 1;
  }
}

void SynthWeights::fill(std::uint64_t first, std::span<std::uint16_t> out) const noexcept {
  for (std::size_t n = 0; n < out.size(); ++n) {
    const std::uint64_t bits = mix(key_, first + n);
    // Pairs of 16-bit numbers first: the upper halves hold no carry.
    const std::uint64_t pairs = (bits & 0x0000FFFF0000FFFFU) + ((bits >> 16) & 0x0000FFFF0000FFFFU);
    const auto sum = static_cast<std::int32_t>((pairs & 0xFFFFFFFFU) + (pairs >> 32));
    out[n] = Bf16::narrow(mean_ + static_cast<float>(sum - kSumMean) * step_);
  }
}

}  // namespace contourfuse
