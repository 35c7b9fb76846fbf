// The SCF kernel against the CPU backend: results, untouched surroundings, and every number of
// every block's record.
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "contourfuse/io/hash.hpp"
#include "cuda_kernels/cpu_kernels.hpp"
#include "cuda_kernels/effort.hpp"
#include "cuda_kernels/kernel_run.hpp"
#include "cuda_kernels/placed_elements.hpp"

namespace contourfuse::test {
namespace {

using device::CoveredRange;

constexpr std::uint64_t kFarBlock = (std::uint64_t{1} << 34) + 3 * kBlockElements;

struct ScfCase {
  Edit edit{};
  CoveredRange range{};
  ScalingState state = ScalingState::kScaled;
  std::size_t weight_shift = 0;
  std::size_t delta_shift = 0;
  bool nonfinite = false;

  [[nodiscard]] std::string described() const {
    return std::string(dtype_name(edit.weight)) + " weight, shift " + std::to_string(weight_shift) +
           ", " + std::string(dtype_name(edit.delta)) + " delta, shift " +
           std::to_string(delta_shift) + (edit.role == ScfRole::kDown ? ", down" : ", gate") +
           (edit.stochastic ? ", stochastic, " : ", nearest, ") + std::to_string(range.count) +
           " elements from " + std::to_string(range.first) + ", " +
           std::to_string(range.covered_cols) + " of " + std::to_string(range.cols) + " columns" +
           (nonfinite ? ", some not finite" : "");
  }
};

std::vector<Edit> every_edit() {
  std::vector<Edit> edits;
  for (const DType weight : kEditable) {
    for (const DType delta : kEditable) {
      for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
        for (const bool stochastic : {false, true}) {
          // Both signs of 1 + t occur, and both sides of the clamp.
          edits.push_back(Edit{weight, delta, role, role == ScfRole::kDown ? 1.7F : 1.1F,
                               stochastic, 0x123456789ABCDEFU, xxh3_64(kTensorName)});
        }
      }
    }
  }
  return edits;
}

std::vector<std::byte> zeros_of_both_signs(DType dtype, std::size_t count) {
  std::vector<std::byte> bytes(count * editable_bytes(dtype));
  for (std::size_t i = 0; i < count; ++i) {
    store(dtype, bytes.data() + i * editable_bytes(dtype),
          i % 3 == 0 ? narrow(dtype, -0.0F, {}) : 0U);
  }
  return bytes;
}

/// What was expected, for a test to look at.
std::vector<Record> expect_scf(const ScfCase& c, const device::LaunchPolicy& policy = kOneWarp,
                               const host_cuda::LaunchOptions& options = kForward) {
  const auto count = static_cast<std::size_t>(c.range.count);
  const auto seed = static_cast<unsigned>(count + c.weight_shift);
  const std::vector<std::byte> weight = mixed_elements(c.edit.weight, count, seed, c.nonfinite);
  const std::vector<std::byte> delta =
      c.state == ScalingState::kZeroDelta
          ? zeros_of_both_signs(c.edit.delta, count)
          : mixed_elements(c.edit.delta, count, seed + 1, c.nonfinite);
  const Scaling scaling{.parameter = c.edit.parameter, .state = c.state};
  std::vector<std::byte> expected = weight;
  const std::vector<Record> records = cpu_scf(c.edit, scaling, c.range, expected, delta);

  PlacedElements placed_weight(c.edit.weight, weight, c.weight_shift);
  PlacedElements placed_delta(c.edit.delta, delta, c.delta_shift);
  std::vector<Record> got(records.size());
  run_kernel(device::ScfCall{.role = c.edit.role,
                             .weight_dtype = c.edit.weight,
                             .delta_dtype = c.edit.delta,
                             .stochastic = c.edit.stochastic,
                             .weight = placed_weight.data(),
                             .delta = placed_delta.data(),
                             .range = c.range,
                             .scaling = &scaling,
                             .key = {.seed = c.edit.seed, .tensor_hash = c.edit.tensor_hash},
                             .records = got.data()},
             policy, options);
  const std::size_t bytes = editable_bytes(c.edit.weight);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t value = load(c.edit.weight, placed_weight.data() + i * bytes);
    const std::uint32_t wanted = load(c.edit.weight, expected.data() + i * bytes);
    if (value != wanted) {
      ADD_FAILURE() << c.described() << ": element " << i << " is " << std::hex << value
                    << " instead of " << wanted;
      return records;
    }
  }
  EXPECT_TRUE(placed_weight.guards_are_whole()) << c.described();
  EXPECT_TRUE(std::memcmp(placed_delta.data(), delta.data(), delta.size()) == 0) << c.described();
  for (std::size_t b = 0; b < records.size(); ++b) {
    EXPECT_TRUE(same_record(got[b], records[b])) << c.described() << ": block " << b;
  }
  return records;
}

CoveredRange whole_rows(std::uint64_t count, std::uint64_t first = 0) {
  return {.first = first, .count = count, .covered_cols = 4096, .cols = 4096};
}

TEST(ScfKernel, EveryPairRoleAndRounding) {
  const std::vector<Edit> edits = every_edit();
  for (std::size_t e = 0; e < edits.size(); e += one_of(1, 5)) {
    // Every tail in every type of weight; blocks of one thread, of some, and of all.
    const std::uint64_t counts[] = {1,
                                    3 + e % 5,
                                    8,
                                    257 + e,
                                    kBlockElements - 1,
                                    kBlockElements + e % 16,
                                    2 * kBlockElements + (7 * e + 5) % 16};
    std::size_t n = e;
    for (const std::uint64_t count : counts) {
      ++n;
      if (n % one_of(2, 4) != 0) continue;
      ScfCase c{.edit = edits[e], .range = whole_rows(count)};
      c.nonfinite = n % 2 != 0;
      c.weight_shift = n % 3 == 0 ? 0 : n % (16 / editable_bytes(c.edit.weight));
      c.delta_shift = n % 4 == 0 ? 0 : 3 * n % (16 / editable_bytes(c.edit.delta));
      expect_scf(c);
    }
  }
}

TEST(ScfKernel, WhatIsCountedOccurs) {
  ScfCase c{.edit = every_edit()[2], .range = whole_rows(kBlockElements), .nonfinite = true};
  ASSERT_EQ(c.edit.role, ScfRole::kGate);
  const RecordCounts counts = expect_scf(c).at(0).counts;
  EXPECT_GT(counts.lost, 0U);
  EXPECT_GT(counts.clamped, 0U);
  EXPECT_GT(counts.sign_flips, 0U);
  EXPECT_GT(counts.zero_weights, 0U);
  EXPECT_GT(counts.nonfinite_kept, 0U);
}

TEST(ScfKernel, EveryStartAndTail) {
  ScfCase c{.edit = every_edit()[3]};
  ASSERT_TRUE(c.edit.stochastic);
  std::size_t n = 0;
  for (c.weight_shift = 0; c.weight_shift < 8; ++c.weight_shift) {
    for (c.delta_shift = 0; c.delta_shift < 8; ++c.delta_shift) {
      for (std::uint64_t tail = 0; tail < 16; ++tail) {
        if (++n % one_of(7, 97) != 0) continue;
        c.range = whole_rows(256 + tail);
        c.nonfinite = tail % 2 != 0;
        expect_scf(c);
      }
    }
  }
}

TEST(ScfKernel, LaterTilesOfAMatrix) {
  for (const Edit& edit : every_edit()) {
    if (!edit.stochastic || edit.delta != DType::kBF16) continue;
    for (const std::uint64_t first : {3 * kBlockElements, kFarBlock}) {
      if (kRaceChecked && edit.role == ScfRole::kDown) continue;
      expect_scf(
          {.edit = edit, .range = whole_rows(kBlockElements + 13, first), .nonfinite = true});
    }
  }
}

TEST(ScfKernel, PartlyCoveredMatrices) {
  constexpr std::uint64_t kColumns[][2] = {{1, 2}, {5, 9}, {37, 40}, {1000, 1003}, {8191, 8192}};
  for (const Edit& edit : every_edit()) {
    if (edit.delta != DType::kF16) continue;
    for (const auto& [covered_cols, cols] : kColumns) {
      if (kRaceChecked && (covered_cols != 37 || !edit.stochastic)) continue;
      for (const std::uint64_t first : {std::uint64_t{0}, kFarBlock}) {
        expect_scf({.edit = edit,
                    .range = {.first = first,
                              .count = kBlockElements + 77,
                              .covered_cols = covered_cols,
                              .cols = cols},
                    .weight_shift = 1,
                    .nonfinite = true});
      }
    }
  }
}

// w + 0·w is +0 for w = −0.
TEST(ScfKernel, AZeroDeltaKeepsBytes) {
  for (Edit edit : every_edit()) {
    if (kRaceChecked && edit.stochastic) continue;
    edit.parameter = 0;
    const std::vector<Record> records = expect_scf({.edit = edit,
                                                    .range = whole_rows(kBlockElements + 5),
                                                    .state = ScalingState::kZeroDelta,
                                                    .nonfinite = true});
    EXPECT_EQ(records.at(0).counts.changed, 0U);
    EXPECT_GT(records.at(0).counts.zero_weights, 0U);
  }
}

TEST(ScfKernel, OneBadElementIsNamed) {
  const Edit edit = every_edit()[0];
  const Scaling scaling{.parameter = 0.5F};
  for (const std::size_t at : {0U, 7U, 8U, 255U, 256U, 8191U, 8192U, 8200U}) {
    for (const bool in_weight : {true, false}) {
      std::vector<std::uint16_t> weight(kBlockElements + 9, 0x3F80);
      std::vector<std::uint16_t> delta(kBlockElements + 9, 0x3F80);
      (in_weight ? weight : delta)[at] = 0xFF80;
      std::vector<Record> records(2);
      run_kernel(device::ScfCall{
          .role = edit.role,
          .weight = weight.data(),
          .delta = delta.data(),
          .range = {.first = kFarBlock, .count = weight.size(), .covered_cols = 100, .cols = 123},
          .scaling = &scaling,
          .records = records.data()});
      const Record all = records[0] + records[1];
      const std::uint64_t covered = kFarBlock + at;
      EXPECT_EQ(all.bad.count, 1U);
      EXPECT_EQ(all.bad.first, covered / 100 * 123 + covered % 100) << at;
      EXPECT_EQ(all.counts.nonfinite_kept, 1U);
      EXPECT_EQ(weight[at], in_weight ? 0xFF80 : 0x3F80);
      EXPECT_EQ(weight[(at + 1) % weight.size()], 0x3FC0);
    }
  }
}

TEST(ScfKernel, AsTheElementwiseReference) {
  for (const Edit& edit : every_edit()) {
    if (edit.weight != DType::kF16 || edit.delta != DType::kBF16) continue;
    constexpr std::size_t kCount = 1000;
    const std::vector<std::byte> before = mixed_elements(edit.weight, kCount, 8, true);
    const std::vector<std::byte> delta = mixed_elements(edit.delta, kCount, 9, true);
    std::vector<std::byte> after = before;
    const Scaling scaling{.parameter = edit.parameter};
    Record record;
    run_kernel(device::ScfCall{.role = edit.role,
                               .weight_dtype = edit.weight,
                               .delta_dtype = edit.delta,
                               .stochastic = edit.stochastic,
                               .weight = after.data(),
                               .delta = delta.data(),
                               .range = whole_rows(kCount),
                               .scaling = &scaling,
                               .key = {.seed = edit.seed, .tensor_hash = edit.tensor_hash},
                               .records = &record});
    ReferenceRecord reference;
    for (std::size_t i = 0; i < kCount; ++i) {
      const std::uint32_t w = load(edit.weight, before.data() + 2 * i);
      const std::uint32_t d = load(edit.delta, delta.data() + 2 * i);
      const std::uint32_t got = load(edit.weight, after.data() + 2 * i);
      const std::uint32_t out = edit.result(w, d, i);
      if (std::isfinite(widen(edit.weight, w)) && std::isfinite(widen(edit.delta, d)) &&
          std::isfinite(widen(edit.weight, out))) {
        ASSERT_EQ(got, out) << i;
        reference.add(edit, w, d, out);
      } else {
        ASSERT_EQ(got, w) << i;
        reference.keep_nonfinite();
      }
    }
    EXPECT_TRUE(same_counts(record.counts, reference.counts()));
    EXPECT_TRUE(same_sums(record.sums, reference.sums()));
  }
}

TEST(ScfKernel, EveryOrderAndBlockSize) {
  for (const host_cuda::LaunchOptions& options : host_cuda::every_order(kRaceChecked ? 1 : 4)) {
    SCOPED_TRACE(host_cuda::describe(options));
    for (const std::uint32_t threads : {32U, 128U, 256U}) {
      expect_scf({.edit = every_edit()[kRaceChecked ? 3 : threads % 33],
                  .range = whole_rows((kRaceChecked ? 1 : 5) * kBlockElements + 11),
                  .nonfinite = true},
                 {.scf = threads}, options);
    }
  }
}

}  // namespace
}  // namespace contourfuse::test
