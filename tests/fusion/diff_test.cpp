// Tests of diff: what differs, by how much, and the same numbers for any thread count.
#include "contourfuse/fusion/diff.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "contourfuse/core/error.hpp"
#include "fusion/tiny_checkpoint.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

using test::safetensors_bytes;
using test::TinyTensor;

class Diff : public testing::Test {
 protected:
  DiffReport diff(const std::vector<TinyTensor>& a, const std::vector<TinyTensor>& b,
                  bool all = false, int threads = 2) {
    test::write_bytes(folder_.path() / "a.safetensors", safetensors_bytes(a));
    test::write_bytes(folder_.path() / "b.safetensors", safetensors_bytes(b));
    Execution execution;
    execution.threads = threads;
    return diff_checkpoints((folder_.path() / "a.safetensors").string(),
                            (folder_.path() / "b.safetensors").string(), all, execution);
  }
  test::TemporaryFolder folder_{};
};

template <class Value>
std::string bytes_of(const std::vector<Value>& values) {
  std::string bytes(values.size() * sizeof(Value), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

float of_bf16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

/// The sum of docs/numerics.md 4, written out: blocks of 8192, 256 lanes, folds.
template <class Term>
double scheme_sum(std::size_t count, const Term& add) {
  std::vector<double> blocks;
  for (std::size_t first = 0; first < count; first += 8192) {
    std::vector<double> lanes(256, 0.0);
    for (std::size_t i = first; i < std::min(count, first + 8192); ++i) {
      lanes[(i - first) % 256] = add(lanes[(i - first) % 256], i);
    }
    for (std::size_t half = 128; half > 0; half /= 2) {
      for (std::size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    }
    blocks.push_back(lanes[0]);
  }
  while (blocks.size() > 1) {
    std::vector<double> folded;
    for (std::size_t i = 0; i + 1 < blocks.size(); i += 2) {
      folded.push_back(blocks[i] + blocks[i + 1]);
    }
    if (blocks.size() % 2 != 0) folded.push_back(blocks.back());
    blocks = folded;
  }
  return blocks.empty() ? 0 : blocks[0];
}

TEST_F(Diff, SmallNumbersByHand) {
  const DiffReport report = diff({{"w", "F32", "[2,2]", bytes_of<float>({3, 0, 0, 4})}},
                                 {{"w", "F32", "[2,2]", bytes_of<float>({3, 0, -3, 0})}});
  ASSERT_EQ(report.tensors.size(), 1U);
  const TensorDiff& w = report.tensors[0];
  EXPECT_EQ(w.difference, TensorDifference::kChanged);
  EXPECT_EQ(w.elements, 4U);
  EXPECT_EQ(w.changed, 2U);
  EXPECT_EQ(w.drift, 1.0);  // ‖(0, 0, −3, −4)‖ / ‖(3, 0, 0, 4)‖
  EXPECT_EQ(w.cosine, 9 / std::sqrt(25.0 * 18.0));
  EXPECT_EQ(w.max_change, 4.0);
  EXPECT_EQ(report.changed, 1U);
  EXPECT_EQ(report.bytes, 32U);
}

TEST_F(Diff, SumsFollowTheBlockSchemeForAnyThreadCount) {
  // Three ranges of 2^18: the second is equal, the third short and no multiple of 256.
  constexpr std::size_t kCount = (std::size_t{1} << 19) + 12345;
  std::vector<std::uint16_t> a(kCount);
  std::vector<std::uint16_t> b(kCount);
  std::uint32_t state = 12345;
  for (std::size_t i = 0; i < kCount; ++i) {
    state = state * 1664525U + 1013904223U;
    a[i] = static_cast<std::uint16_t>(0x3000U + (state >> 20) + ((state & 0x10000U) >> 1));
    const bool equal_range = i >= (std::size_t{1} << 18) && i < (std::size_t{1} << 19);
    b[i] = static_cast<std::uint16_t>(!equal_range && state % 3 == 0 ? a[i] ^ 5U : a[i]);
  }
  const auto x = [&](std::size_t i) { return static_cast<double>(of_bf16(a[i])); };
  const auto y = [&](std::size_t i) { return static_cast<double>(of_bf16(b[i])); };
  const double a2 = scheme_sum(kCount, [&](double s, std::size_t i) { return s + x(i) * x(i); });
  const double b2 = scheme_sum(kCount, [&](double s, std::size_t i) { return s + y(i) * y(i); });
  const double ab = scheme_sum(kCount, [&](double s, std::size_t i) { return s + x(i) * y(i); });
  const double c2 = scheme_sum(
      kCount, [&](double s, std::size_t i) { return std::fma(y(i) - x(i), y(i) - x(i), s); });
  std::uint64_t changed = 0;
  double max_change = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    changed += a[i] != b[i] ? 1U : 0U;
    max_change = std::max(max_change, std::fabs(y(i) - x(i)));
  }
  const std::string shape = "[" + std::to_string(kCount) + "]";
  for (const int threads : {1, 2, 5}) {
    const DiffReport report = diff({{"w", "BF16", shape, bytes_of(a)}},
                                   {{"w", "BF16", shape, bytes_of(b)}}, false, threads);
    ASSERT_EQ(report.tensors.size(), 1U);
    EXPECT_EQ(report.tensors[0].changed, changed);
    EXPECT_EQ(report.tensors[0].drift, std::sqrt(c2 / a2));
    EXPECT_EQ(report.tensors[0].cosine, ab / std::sqrt(a2 * b2));
    EXPECT_EQ(report.tensors[0].max_change, max_change);
  }
}

TEST_F(Diff, EqualTensorsAreListedOnRequest) {
  const std::vector<TinyTensor> same = {{"w", "F16", "[2]", bytes_of<std::uint16_t>({1, 2})}};
  const DiffReport brief = diff(same, same);
  EXPECT_TRUE(brief.tensors.empty());
  EXPECT_EQ(brief.same, 1U);
  const DiffReport all = diff(same, same, true);
  ASSERT_EQ(all.tensors.size(), 1U);
  EXPECT_EQ(all.tensors[0].difference, TensorDifference::kSame);
  EXPECT_EQ(all.tensors[0].drift, 0.0);
  EXPECT_EQ(all.tensors[0].cosine, 1.0);
}

TEST_F(Diff, NamesWhatOnlyOneSideHasAndWhatHasAnotherShape) {
  const DiffReport report = diff({{"both", "U8", "[1]", "x"},
                                  {"left", "U8", "[1]", "x"},
                                  {"shape", "U8", "[2]", "xy"},
                                  {"type", "U8", "[1]", "x"}},
                                 {{"both", "U8", "[1]", "x"},
                                  {"right", "U8", "[1]", "x"},
                                  {"shape", "U8", "[2,1]", "xy"},
                                  {"type", "I8", "[1]", "x"}});
  ASSERT_EQ(report.tensors.size(), 4U);
  EXPECT_EQ(report.tensors[0].name, "left");
  EXPECT_EQ(report.tensors[0].difference, TensorDifference::kOnlyInA);
  EXPECT_EQ(report.tensors[1].name, "right");
  EXPECT_EQ(report.tensors[1].difference, TensorDifference::kOnlyInB);
  EXPECT_EQ(report.tensors[2].difference, TensorDifference::kReshaped);
  EXPECT_EQ(report.tensors[3].difference, TensorDifference::kReshaped);
  EXPECT_EQ(report.only_in_a, 1U);
  EXPECT_EQ(report.only_in_b, 1U);
  EXPECT_EQ(report.reshaped, 2U);
  EXPECT_EQ(report.same, 1U);
}

TEST_F(Diff, OtherTypesAreComparedByElementWithoutNumbers) {
  const DiffReport report = diff(
      {{"c64", "C64", "[2]", std::string(16, 'a')},
       {"f4", "F4", "[4]", std::string("\x12\x34", 2)},
       {"f6", "F6_E2M3", "[4]", std::string("\x00\x00\x00", 3)},
       {"i64", "I64", "[2]", std::string(16, 'a')},
       {"u8", "U8", "[3]", "abc"}},
      {{"c64", "C64", "[2]", std::string(15, 'a') + 'b'},
       {"f4", "F4", "[4]", std::string("\x13\x54", 2)},           // elements 0 and 3
       {"f6", "F6_E2M3", "[4]", std::string("\x40\x10\x00", 3)},  // bits 6 and 12: elements 1, 2
       {"i64", "I64", "[2]", std::string("b") + std::string(14, 'a') + 'b'},
       {"u8", "U8", "[3]", "xbx"}});
  ASSERT_EQ(report.tensors.size(), 5U);
  EXPECT_EQ(report.tensors[0].changed, 1U);
  EXPECT_EQ(report.tensors[1].changed, 2U);
  EXPECT_EQ(report.tensors[2].changed, 2U);
  EXPECT_EQ(report.tensors[3].changed, 2U);
  EXPECT_EQ(report.tensors[4].changed, 2U);
  for (const TensorDiff& tensor : report.tensors) {
    EXPECT_FALSE(tensor.drift || tensor.cosine || tensor.max_change) << tensor.name;
  }
}

TEST_F(Diff, ASignOfZeroCountsAndAnUnknownQuotientIsNone) {
  const DiffReport report = diff({{"nan", "F32", "[1]", bytes_of<float>({1})},
                                  {"zero", "BF16", "[1]", bytes_of<std::uint16_t>({0})}},
                                 {{"nan", "F32", "[1]", bytes_of<float>({std::nanf("")})},
                                  {"zero", "BF16", "[1]", bytes_of<std::uint16_t>({0x8000})}});
  ASSERT_EQ(report.tensors.size(), 2U);
  EXPECT_EQ(report.tensors[0].changed, 1U);
  EXPECT_FALSE(report.tensors[0].drift);
  EXPECT_FALSE(report.tensors[0].max_change);
  EXPECT_EQ(report.tensors[1].changed, 1U);
  EXPECT_FALSE(report.tensors[1].drift);  // 0/0
  EXPECT_EQ(report.tensors[1].max_change, 0.0);
}

TEST_F(Diff, ComparesFolders) {
  test::write_tiny_checkpoint(folder_.path() / "a");
  test::write_tiny_checkpoint(folder_.path() / "b");
  const auto path = folder_.path() / "b" / test::kShard2;
  std::string shard = test::read_bytes(path);
  shard[test::tensor_range(shard, test::kDown).first + 2] ^= 1;
  test::write_bytes(path, shard);
  const DiffReport report =
      diff_checkpoints((folder_.path() / "a").string(), (folder_.path() / "b").string(), false, {});
  ASSERT_EQ(report.tensors.size(), 1U);
  EXPECT_EQ(report.tensors[0].name, test::kDown);
  EXPECT_EQ(report.tensors[0].changed, 1U);
  EXPECT_EQ(report.same, 4U);
}

TEST_F(Diff, CanBeCancelled) {
  Cancellation cancellation;
  cancellation.request();
  test::write_bytes(folder_.path() / "a.safetensors", safetensors_bytes({{"w", "U8", "[1]", "x"}}));
  Execution execution;
  execution.cancellation = &cancellation;
  const std::string path = (folder_.path() / "a.safetensors").string();
  EXPECT_THROW(static_cast<void>(diff_checkpoints(path, path, false, execution)), Error);
}

}  // namespace
}  // namespace contourfuse
