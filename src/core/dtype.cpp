// The published spellings and sizes of the element types.
#include "contourfuse/core/dtype.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace contourfuse {
namespace {

struct DTypeRow {
  DType dtype;
  std::string_view name;
  std::uint64_t bits;
};

constexpr std::array kRows{
    DTypeRow{DType::kBool, "BOOL", 8},
    DTypeRow{DType::kF4, "F4", 4},
    DTypeRow{DType::kF6E2M3, "F6_E2M3", 6},
    DTypeRow{DType::kF6E3M2, "F6_E3M2", 6},
    DTypeRow{DType::kU8, "U8", 8},
    DTypeRow{DType::kI8, "I8", 8},
    DTypeRow{DType::kF8E5M2, "F8_E5M2", 8},
    DTypeRow{DType::kF8E4M3, "F8_E4M3", 8},
    DTypeRow{DType::kF8E8M0, "F8_E8M0", 8},
    DTypeRow{DType::kF8E4M3FNUZ, "F8_E4M3FNUZ", 8},
    DTypeRow{DType::kF8E5M2FNUZ, "F8_E5M2FNUZ", 8},
    DTypeRow{DType::kI16, "I16", 16},
    DTypeRow{DType::kU16, "U16", 16},
    DTypeRow{DType::kF16, "F16", 16},
    DTypeRow{DType::kBF16, "BF16", 16},
    DTypeRow{DType::kI32, "I32", 32},
    DTypeRow{DType::kU32, "U32", 32},
    DTypeRow{DType::kF32, "F32", 32},
    DTypeRow{DType::kC64, "C64", 64},
    DTypeRow{DType::kF64, "F64", 64},
    DTypeRow{DType::kI64, "I64", 64},
    DTypeRow{DType::kU64, "U64", 64},
};

// The rows are found by the enumerator's value.
constexpr bool rows_stand_in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].dtype) != i) return false;
  }
  return true;
}
static_assert(kRows.size() == 22 && rows_stand_in_order());

}  // namespace

std::string_view dtype_name(DType dtype) noexcept {
  return kRows[static_cast<std::size_t>(dtype)].name;
}

std::optional<DType> parse_dtype(std::string_view name) noexcept {
  const auto row = std::ranges::find(kRows, name, &DTypeRow::name);
  if (row == kRows.end()) return std::nullopt;
  return row->dtype;
}

std::uint64_t dtype_bits(DType dtype) noexcept {
  return kRows[static_cast<std::size_t>(dtype)].bits;
}

}  // namespace contourfuse
