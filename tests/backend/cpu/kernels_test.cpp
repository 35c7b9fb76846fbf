// Every level's kernels against the scalar reference, bit for bit.
#include "contourfuse/backend/cpu/kernels.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "backend/cpu/reference.hpp"
#include "contourfuse/core/instruction_level.hpp"

namespace contourfuse {
namespace {

using test::Edit;
using test::kEditable;

constexpr std::size_t kCounts[] = {0,  1,  7,   8,   9,   15,  16,   17,   31,
                                   32, 33, 255, 256, 257, 512, 8176, 8191, 8192};
constexpr std::uint64_t kFirstIndices[] = {0, 1, (std::uint64_t{1} << 35) + 8, 7,
                                           (std::uint64_t{1} << 34) + 5};
constexpr auto kSentinel = std::byte{0xA5};

std::size_t index_of(DType dtype) {
  return static_cast<std::size_t>(dtype == DType::kBF16  ? Element::kBf16
                                  : dtype == DType::kF16 ? Element::kF16
                                                         : Element::kF32);
}

std::vector<const Kernels*> kernel_levels() {
  std::size_t count = 0;
  const Kernels* const* kernels = available_kernels(count);
  return {kernels, kernels + count};
}

std::string described(const Kernels& kernels, const Edit& edit, std::size_t count) {
  return std::string(kernels.level) + ", weight " + std::string(dtype_name(edit.weight)) +
         ", delta " + std::string(dtype_name(edit.delta)) +
         (edit.role == ScfRole::kDown ? ", down" : ", gate") +
         (edit.stochastic ? ", stochastic, " : ", nearest, ") + std::to_string(count);
}

/// Calls `check` with every pair of types, role and rounding.
template <class Check>
void for_every_edit(Check check) {
  for (const DType weight : kEditable) {
    for (const DType delta : kEditable) {
      for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
        for (const bool stochastic : {false, true}) {
          // Both signs of 1 + t occur, and both sides of the clamp.
          check(Edit{weight, delta, role, role == ScfRole::kDown ? 1.7F : 1.1F, stochastic,
                     0x123456789ABCDEFU, 0xFEDCBA9876543210U});
        }
      }
    }
  }
}

/// Elements one past a vector's alignment, so that no kernel can count on more than theirs.
class Shifted {
 public:
  Shifted(DType dtype, const std::vector<std::byte>& elements)
      : shift_(editable_bytes(dtype)), words_((elements.size() + shift_) / 8 + 1) {
    std::ranges::copy(elements, data());
  }
  std::byte* data() { return static_cast<std::byte*>(static_cast<void*>(words_.data())) + shift_; }

 private:
  std::size_t shift_;
  std::vector<std::uint64_t> words_;
};

TEST(Kernels, BestIsTheFirstOfTheProcessorsLevels) {
  const auto all = kernel_levels();
  EXPECT_EQ(&best_kernels(), all.front());
  EXPECT_STREQ(all.back()->level, "baseline");
#if defined(__x86_64__)
  EXPECT_EQ(all.size(), 1 + static_cast<std::size_t>(processor_level()));
#endif
}

void expect_transforms(const Kernels& kernels, const Edit& edit, bool nonfinite) {
  const std::size_t w_bytes = editable_bytes(edit.weight);
  const std::size_t d_bytes = editable_bytes(edit.delta);
  Shifted weight(edit.weight, test::mixed_elements(edit.weight, kBlockElements, 1, nonfinite));
  Shifted delta(edit.delta, test::mixed_elements(edit.delta, kBlockElements, 2, nonfinite));
  const auto kernel = kernels.transform[index_of(edit.weight)][index_of(edit.delta)]
                                       [static_cast<std::size_t>(edit.role)][edit.stochastic];
  for (const std::size_t count : kCounts) {
    const std::uint64_t first = kFirstIndices[(count + index_of(edit.delta)) % 5];
    Shifted out(edit.weight, std::vector<std::byte>((kBlockElements + 2) * w_bytes, kSentinel));
    std::byte* results = out.data() + w_bytes;
    const TransformNumbers numbers{edit.parameter, edit.seed, edit.tensor_hash};
    const bool bad = kernel(weight.data(), delta.data(), results, count, first, numbers);
    bool expect_bad = false;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t w = test::load(edit.weight, weight.data() + i * w_bytes);
      const std::uint32_t d = test::load(edit.delta, delta.data() + i * d_bytes);
      const std::uint32_t expected = edit.result(w, d, first + i);
      const std::uint32_t got = test::load(edit.weight, results + i * w_bytes);
      const float value = test::widen(edit.weight, expected);
      expect_bad = expect_bad || !std::isfinite(test::widen(edit.weight, w)) ||
                   !std::isfinite(test::widen(edit.delta, d)) || !std::isfinite(value);
      // Which NaN an f32 operation gives is nobody's promise: such elements never reach a file.
      if (std::isnan(value) && std::isnan(test::widen(edit.weight, got))) continue;
      ASSERT_EQ(got, expected) << described(kernels, edit, count) << ", element " << i;
    }
    ASSERT_EQ(bad, expect_bad) << described(kernels, edit, count);
    for (std::size_t i = 0; i < w_bytes; ++i) {
      ASSERT_EQ(out.data()[i], kSentinel) << described(kernels, edit, count);
      ASSERT_EQ(results[count * w_bytes + i], kSentinel) << described(kernels, edit, count);
    }
  }
}

TEST(Kernels, TransformAsTheReference) {
  for (const Kernels* kernels : kernel_levels()) {
    for_every_edit([&](const Edit& edit) {
      expect_transforms(*kernels, edit, true);
      expect_transforms(*kernels, edit, false);
    });
  }
}

TEST(Kernels, OneBadElementAnywhereIsSeen) {
  for (const Kernels* kernels : kernel_levels()) {
    const auto kernel = kernels->transform[0][0][0][0];
    for (const std::size_t at : {0U, 1U, 15U, 16U, 255U, 8190U}) {
      for (const int side : {0, 1}) {
        std::vector<std::uint16_t> input[2] = {std::vector<std::uint16_t>(8191, 0x3F80),
                                               std::vector<std::uint16_t>(8191, 0x3F80)};
        std::vector<std::uint16_t> out(8191);
        EXPECT_FALSE(kernel(input[0].data(), input[1].data(), out.data(), 8191, 0, {1, 0, 0}));
        input[side][at] = 0xFF80;
        EXPECT_TRUE(kernel(input[0].data(), input[1].data(), out.data(), 8191, 0, {1, 0, 0}));
      }
    }
  }
}

TEST(Kernels, RecordAsTheReference) {
  for (const Kernels* kernels : kernel_levels()) {
    for_every_edit([&](const Edit& edit) {
      const std::size_t w_bytes = editable_bytes(edit.weight);
      const std::size_t d_bytes = editable_bytes(edit.delta);
      Shifted weight(edit.weight, test::mixed_elements(edit.weight, kBlockElements, 3, false));
      Shifted delta(edit.delta, test::mixed_elements(edit.delta, kBlockElements, 4, false));
      for (const std::size_t count : kCounts) {
        std::vector<std::byte> results(count * w_bytes);
        test::ReferenceRecord reference;
        for (std::size_t i = 0; i < count; ++i) {
          const std::uint32_t w = test::load(edit.weight, weight.data() + i * w_bytes);
          const std::uint32_t d = test::load(edit.delta, delta.data() + i * d_bytes);
          std::uint32_t out = edit.result(w, d, i);
          if (!std::isfinite(test::widen(edit.weight, out))) out = w;
          test::store(edit.weight, results.data() + i * w_bytes, out);
          reference.add(edit, w, d, out);
        }
        Shifted out(edit.weight, results);
        RecordCounts counts{9, 9, 9, 9, 9, 9, 9};
        RecordSums sums{9, 9, 9, 9, 9, 9};
        kernels->record[index_of(edit.weight)][index_of(edit.delta)][static_cast<std::size_t>(
            edit.role)](weight.data(), delta.data(), out.data(), count, edit.parameter, counts,
                        sums);
        ASSERT_TRUE(test::same_counts(counts, reference.counts()))
            << described(*kernels, edit, count);
        ASSERT_TRUE(test::same_sums(sums, reference.sums())) << described(*kernels, edit, count);
        if (count == kBlockElements) {
          ASSERT_GT(counts.lost, 0U);
          ASSERT_GT(counts.sign_flips, 0U);
          ASSERT_EQ(counts.clamped > 0, edit.role == ScfRole::kGate);
          ASSERT_GT(counts.zero_weights, 0U);
        }
      }
    });
  }
}

void expect_moments(const Kernels& kernels, DType dtype, const std::byte* elements,
                    std::size_t count) {
  test::ReferenceMoments reference;
  for (std::size_t i = 0; i < count; ++i) {
    reference.add(test::widen(dtype, test::load(dtype, elements + i * editable_bytes(dtype))));
  }
  const BlockMoments got = kernels.moments[index_of(dtype)](elements, count);
  ASSERT_TRUE(test::same_bits(got.moments.sum, reference.sum()));
  ASSERT_TRUE(test::same_bits(got.moments.sum_squares, reference.sum_squares()));
  ASSERT_EQ(got.finite, reference.finite);
  if (reference.finite == 0) return;
  ASSERT_EQ(got.smallest, reference.smallest);
  ASSERT_EQ(got.largest, reference.largest);
}

TEST(Kernels, MeasureAsTheReference) {
  for (const Kernels* kernels : kernel_levels()) {
    for (const DType dtype : kEditable) {
      for (const bool nonfinite : {false, true}) {
        Shifted elements(dtype, test::mixed_elements(dtype, kBlockElements, 5, nonfinite));
        for (const std::size_t count : kCounts) {
          SCOPED_TRACE(fmt::format("{} {} {}", kernels->level, dtype_name(dtype), count));
          ASSERT_NO_FATAL_FAILURE(expect_moments(*kernels, dtype, elements.data(), count));
        }
      }
    }
  }
}

TEST(Kernels, MeasureElementsOfOneSign) {
  for (const Kernels* kernels : kernel_levels()) {
    for (const DType dtype : kEditable) {
      const std::size_t bytes = editable_bytes(dtype);
      const std::uint32_t sign = std::uint32_t{1} << (8 * bytes - 1);
      for (const std::uint32_t wanted : {std::uint32_t{0}, sign}) {
        std::vector<std::byte> content = test::mixed_elements(dtype, kBlockElements, 5, false);
        for (std::size_t i = 0; i < kBlockElements; ++i) {
          std::byte* const element = content.data() + i * bytes;
          test::store(dtype, element, (test::load(dtype, element) & ~sign) | wanted);
        }
        SCOPED_TRACE(fmt::format("{} {} {}", kernels->level, dtype_name(dtype), wanted));
        Shifted elements(dtype, content);
        ASSERT_NO_FATAL_FAILURE(expect_moments(*kernels, dtype, elements.data(), kBlockElements));
      }
    }
  }
}

}  // namespace
}  // namespace contourfuse
