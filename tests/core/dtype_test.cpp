// The published element types.
#include "contourfuse/core/dtype.hpp"

#include <gtest/gtest.h>

#include <array>
#include <utility>

namespace contourfuse {
namespace {

// From the format's published list.
constexpr std::array<std::pair<std::string_view, std::uint64_t>, 22> kPublished{{
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
    {"I64", 64},        {"U64", 64},
}};

TEST(DType, KnowsEveryPublishedNameAndSize) {
  for (const auto& [name, bits] : kPublished) {
    const std::optional<DType> dtype = parse_dtype(name);
    ASSERT_TRUE(dtype) << name;
    EXPECT_EQ(dtype_name(*dtype), name);
    EXPECT_EQ(dtype_bits(*dtype), bits) << name;
  }
}

TEST(DType, NamesNothingElse) {
  for (const char* const name : {"", "f32", "F32 ", "F3", "F128", "BF16\n", "float32"}) {
    EXPECT_EQ(parse_dtype(name), std::nullopt) << name;
  }
}

TEST(DType, OnlyThreeAreEdited) {
  int editable = 0;
  for (const auto& [name, bits] : kPublished) {
    const DType dtype = parse_dtype(name).value();
    if (!is_editable(dtype)) continue;
    ++editable;
    EXPECT_EQ(editable_bytes(dtype) * 8, bits) << name;
  }
  EXPECT_EQ(editable, 3);
}

}  // namespace
}  // namespace contourfuse
