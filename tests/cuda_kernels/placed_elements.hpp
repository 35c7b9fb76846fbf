// Stored elements at a chosen distance from an aligned address, with guards around them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "contourfuse/core/dtype.hpp"
#include "cuda_kernels/effort.hpp"

namespace contourfuse::test {

/// Begins `shift` elements after a 16-byte boundary. Nothing follows under AddressSanitizer, which
/// sees the first access past the end.
class PlacedElements {
 public:
  PlacedElements(DType dtype, std::span<const std::byte> elements, std::size_t shift)
      : before_(kPacket + shift * editable_bytes(dtype)), size_(elements.size()) {
    all_.reserve(before_ + size_ + kAfter);  // the heap block ends there
    all_.resize(before_, kGuard);
    all_.insert(all_.end(), elements.begin(), elements.end());
    all_.resize(all_.size() + kAfter, kGuard);
  }

  [[nodiscard]] std::byte* data() { return all_.data() + before_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {all_.data() + before_, size_}; }
  [[nodiscard]] bool guards_are_whole() const {
    const auto whole = [](std::byte byte) { return byte == kGuard; };
    return std::all_of(all_.data(), all_.data() + before_, whole) &&
           std::all_of(all_.data() + before_ + size_, all_.data() + before_ + size_ + kAfter,
                       whole);
  }

 private:
  static constexpr std::size_t kPacket = 16;
  static constexpr std::size_t kAfter = kAddressSanitized ? 0 : 2 * kPacket;
  static constexpr auto kGuard = std::byte{0xA5};
  static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ >= kPacket);

  std::size_t before_;
  std::size_t size_;
  std::vector<std::byte> all_{};
};

}  // namespace contourfuse::test
