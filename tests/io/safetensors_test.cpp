// Safetensors headers: what is accepted, what is written, and that the two agree.
#include "contourfuse/io/safetensors.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "contourfuse/io/file.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

std::string with_length(const std::string& header) {
  std::string bytes;
  for (unsigned i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(header.size() >> (8 * i)));
  return bytes + header;
}

// Parses a header whose file goes on with `payload_bytes` bytes, which are not there.
SafetensorsHeader parse(const std::string& header, std::uint64_t payload_bytes) {
  const std::string head = with_length(header);
  return parse_safetensors_header(std::as_bytes(std::span(head)), head.size() + payload_bytes, "f");
}

std::vector<std::string> names_of(const SafetensorsHeader& header) {
  std::vector<std::string> names;
  for (const TensorInfo& tensor : header.tensors()) names.push_back(tensor.name);
  return names;
}

TEST(Safetensors, AcceptsAnEmptyFile) {
  const SafetensorsHeader header = parse("{}", 0);
  EXPECT_TRUE(header.tensors().empty());
  EXPECT_TRUE(header.metadata().empty());
  EXPECT_EQ(header.data_begin(), 10U);
  EXPECT_EQ(header.file_bytes(), 10U);
  EXPECT_EQ(header.find("a"), nullptr);
}

TEST(Safetensors, ReadsATensorWhole) {
  const SafetensorsHeader header = parse(
      R"({"__metadata__":{"format":"pt","":"x"},"a.weight":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}})",
      12);
  ASSERT_EQ(header.tensors().size(), 1U);
  const TensorInfo& tensor = header.tensors()[0];
  EXPECT_EQ(tensor.name, "a.weight");
  EXPECT_EQ(tensor.dtype, DType::kBF16);
  EXPECT_EQ(tensor.shape, (Shape{2, 3}));
  EXPECT_EQ(tensor.begin, 0U);
  EXPECT_EQ(tensor.end, 12U);
  EXPECT_EQ(header.file(), "f");
  EXPECT_EQ(header.file_range(tensor).begin, header.data_begin());
  EXPECT_EQ(header.file_range(tensor).end, header.file_bytes());
  EXPECT_THAT(header.metadata(),
              testing::ElementsAre(testing::Pair("", "x"), testing::Pair("format", "pt")));
}

TEST(Safetensors, AcceptsEveryPublishedType) {
  struct Row {
    const char* dtype;
    std::uint64_t elements;
    std::uint64_t bytes;
  };
  // Sub-byte types in the fewest elements that fill whole bytes.
  constexpr std::array<Row, 22> kRows{{
      {"BOOL", 1, 1},    {"F4", 2, 1},          {"F6_E2M3", 4, 3},     {"F6_E3M2", 4, 3},
      {"U8", 1, 1},      {"I8", 1, 1},          {"F8_E5M2", 1, 1},     {"F8_E4M3", 1, 1},
      {"F8_E8M0", 1, 1}, {"F8_E4M3FNUZ", 1, 1}, {"F8_E5M2FNUZ", 1, 1}, {"I16", 1, 2},
      {"U16", 1, 2},     {"F16", 1, 2},         {"BF16", 1, 2},        {"I32", 1, 4},
      {"U32", 1, 4},     {"F32", 1, 4},         {"C64", 1, 8},         {"F64", 1, 8},
      {"I64", 1, 8},     {"U64", 1, 8},
  }};
  for (const Row& row : kRows) {
    const SafetensorsHeader header =
        parse(fmt::format(R"({{"a":{{"dtype":"{}","shape":[5,{}],"data_offsets":[0,{}]}}}})",
                          row.dtype, row.elements, 5 * row.bytes),
              5 * row.bytes);
    EXPECT_EQ(dtype_name(header.tensors().at(0).dtype), row.dtype);
  }
}

TEST(Safetensors, OrdersByBeginWithEmptyTensorsFirst) {
  const SafetensorsHeader header =
      parse(R"({"z":{"dtype":"U8","shape":[2],"data_offsets":[3,5]},)"
            R"("full":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
            R"("empty":{"dtype":"F32","shape":[0,7],"data_offsets":[3,3]},)"
            R"("first":{"dtype":"F64","shape":[0],"data_offsets":[0,0]},)"
            R"("last":{"dtype":"U8","shape":[0],"data_offsets":[5,5]}})",
            5);
  EXPECT_THAT(names_of(header), testing::ElementsAre("first", "full", "empty", "z", "last"));
}

TEST(Safetensors, AcceptsRankZeroUnalignedTrailingSpacesAndAnyFieldOrder) {
  const SafetensorsHeader header =
      parse(R"({ "u" : {"shape":[1],"data_offsets":[0,1],"dtype":"U8"},)"
            "\n\t"
            R"("s":{"data_offsets":[1,9],"dtype":"F64","shape":[]}}   )",
            9);
  EXPECT_TRUE(header.find("s")->shape.empty());
  EXPECT_EQ(header.file_range(*header.find("s")).begin, header.data_begin() + 1);
}

TEST(Safetensors, AZeroExtentMakesTheProductZero) {
  const SafetensorsHeader header = parse(
      R"({"a":{"dtype":"F4","shape":[18446744073709551615,18446744073709551615,0],"data_offsets":[0,0]}})",
      0);
  EXPECT_EQ(header.tensors().size(), 1U);
}

TEST(Safetensors, NamesMayHoldAnyText) {
  const SafetensorsHeader header =
      parse(R"({"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
            R"("\u0000\"\\é\ud83d\ude00":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
            2);
  EXPECT_NE(header.find(""), nullptr);
  EXPECT_NE(header.find(std::string("\0\"\\é😀", 9)), nullptr);
}

TEST(Safetensors, FindsEveryTensorAlsoInACopy) {
  std::string text = "{";
  for (int i = 0; i < 500; ++i) {
    text += fmt::format(R"({}"t{}":{{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}})",
                        i == 0 ? "" : ",", i * 7919 % 500, i, i + 1);
  }
  const SafetensorsHeader copy = [&text] {
    const SafetensorsHeader original = parse(text + "}", 500);
    return SafetensorsHeader(original);
  }();
  for (int i = 0; i < 500; ++i) {
    const TensorInfo* const tensor = copy.find(fmt::format("t{}", i * 7919 % 500));
    ASSERT_NE(tensor, nullptr) << i;
    EXPECT_EQ(tensor->begin, static_cast<std::uint64_t>(i));
  }
  EXPECT_EQ(copy.find("t500"), nullptr);
  EXPECT_EQ(copy.find("t"), nullptr);
}

TEST(Safetensors, NeverReadsPastTheHeadThatItWasGiven) {
  const std::string head = with_length(R"({"a":1})").substr(0, 12);
  const Error error = test::error_of([&head] {
    static_cast<void>(parse_safetensors_header(std::as_bytes(std::span(head)), 1000, "f"));
  });
  EXPECT_EQ(error.kind(), "io-short-read");
}

TEST(Safetensors, ErrorsStayOnOneLineAndShort) {
  const std::string name = "evil\\n\\u001b[31m" + std::string(100'000, 'x');
  const Error error = test::error_of(
      [&name] { static_cast<void>(parse(R"({")" + name + R"(":{"dtype":"U9","shape":[]}})", 0)); });
  EXPECT_EQ(error.kind(), "unknown-dtype");
  EXPECT_EQ(error.place().tensor.size(), 100'000U + 10U);
  const std::string line = error.what();
  EXPECT_LT(line.size(), 600U);
  EXPECT_EQ(line.find_first_of("\n\x1b"), std::string::npos);
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  const std::vector<TensorSpec> tensors{
      {.name = "b \"quoted\" é", .dtype = DType::kBF16, .shape = {3, 5}},
      {.name = "a", .dtype = DType::kF32, .shape = {}},
      {.name = "empty", .dtype = DType::kI64, .shape = {0, 4}},
      {.name = "packed", .dtype = DType::kF6E2M3, .shape = {4, 3}},
  };
  const std::map<std::string, std::string> metadata{{"k", "v\n"}, {"format", "pt"}};
  const std::string head = make_safetensors_header(tensors, metadata);
  EXPECT_EQ(head.size() % 8, 0U);
  const SafetensorsHeader header =
      parse_safetensors_header(std::as_bytes(std::span(head)), head.size() + 30 + 4 + 0 + 9, "f");
  EXPECT_EQ(header.metadata(), metadata);
  ASSERT_EQ(header.tensors().size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(header.tensors()[i].name, tensors[i].name);
    EXPECT_EQ(header.tensors()[i].dtype, tensors[i].dtype);
    EXPECT_EQ(header.tensors()[i].shape, tensors[i].shape);
  }
  EXPECT_EQ(header.tensors()[1].begin, 30U);
  EXPECT_EQ(header.tensors()[3].begin, 34U);
}

TEST(SafetensorsWriter, WritesTheBytesThatTheLibraryWrites) {
  // safetensors.numpy.save({"x": np.zeros((2, 2), np.float32)}, {"k": "v"}), version 0.8.0.
  const std::string expected = with_length(
      R"({"__metadata__":{"k":"v"},"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})"
      "      ");
  const std::vector<TensorSpec> tensors{{.name = "x", .dtype = DType::kF32, .shape = {2, 2}}};
  EXPECT_EQ(make_safetensors_header(tensors, {{"k", "v"}}), expected);
}

TEST(SafetensorsWriter, RefusesWhatTheReaderWouldRefuse) {
  const auto kind_of = [](const std::vector<TensorSpec>& tensors) {
    return test::error_of([&] { static_cast<void>(make_safetensors_header(tensors, {})); }).kind();
  };
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;
  EXPECT_EQ(kind_of({{.name = "a", .shape = {1}}, {.name = "a", .shape = {2}}}), "duplicate-key");
  EXPECT_EQ(kind_of({{.name = "__metadata__", .shape = {1}}}), "bad-metadata");
  EXPECT_EQ(kind_of({{.name = "a", .dtype = DType::kF4, .shape = {3}}}), "sub-byte-size");
  EXPECT_EQ(kind_of({{.name = "a", .shape = {kHalf}}}), "size-overflow");
  EXPECT_EQ(kind_of({{.name = "a", .dtype = DType::kU8, .shape = {kHalf}},
                     {.name = "b", .dtype = DType::kU8, .shape = {kHalf}}}),
            "size-overflow");
  EXPECT_EQ(kind_of({{.name = "\xff", .shape = {1}}}), "header-not-utf8");
}

TEST(Safetensors, ReadsAFile) {
  const test::TemporaryFolder folder;
  const std::vector<TensorSpec> tensors{{.name = "x", .dtype = DType::kU8, .shape = {3}}};
  write_text(folder / "x.safetensors", make_safetensors_header(tensors, {}) + "abc", false);
  const SafetensorsHeader header = read_safetensors_header(folder / "x.safetensors");
  EXPECT_EQ(header.file(), (folder / "x.safetensors").string());
  EXPECT_EQ(header.file_bytes(), header.data_begin() + 3);
}

}  // namespace
}  // namespace contourfuse
