// The 22 element types that safetensors publishes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace contourfuse {

enum class DType : std::uint8_t {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3FNUZ,
  kF8E5M2FNUZ,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

/// The published spelling, "BF16".
[[nodiscard]] std::string_view dtype_name(DType dtype) noexcept;

/// The type that a published spelling names, if any.
[[nodiscard]] std::optional<DType> parse_dtype(std::string_view name) noexcept;

/// Size of one element in bits (4, 6, 8, 16, 32 or 64).
[[nodiscard]] std::uint64_t dtype_bits(DType dtype) noexcept;

/// BF16, F16 and F32: the types whose elements ContourFuse computes with.
[[nodiscard]] constexpr bool is_editable(DType dtype) noexcept {
  return dtype == DType::kBF16 || dtype == DType::kF16 || dtype == DType::kF32;
}

/// Size of one element of an editable type in bytes (2 or 4).
[[nodiscard]] constexpr std::uint64_t editable_bytes(DType dtype) noexcept {
  return dtype == DType::kF32 ? 4 : 2;
}

}  // namespace contourfuse
