// Random weights by tensor name and element number.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace contourfuse {

/// The values of one tensor; any part can be made on its own.
class SynthWeights {
 public:
  SynthWeights(std::uint64_t seed, std::string_view tensor);

  /// bf16 elements [first, first + out.size()).
  void fill(std::uint64_t first, std::span<std::uint16_t> out) const noexcept;

 private:
  std::uint64_t key_;
  float mean_;
  float step_;  ///< per unit of the integer that is drawn
};

}  // namespace contourfuse
