// The sweep's kernels by themselves: levels, and the bf16 kernels against the general ones.
#include "backend/cpu/grid_kernels.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "backend/cpu/grid_fixture.hpp"
#include "backend/cpu/reference.hpp"
#include "contourfuse/core/instruction_level.hpp"

namespace contourfuse {
namespace {

using test::ElementSet;

constexpr auto kBf16Index = static_cast<std::size_t>(Element::kBf16);

std::vector<const GridKernels*> levels() {
  std::size_t count = 0;
  const GridKernels* const* first = available_grid_kernels(count);
  return {first, first + count};
}

TEST(GridKernels, BestIsTheFirstOfTheProcessorsLevels) {
  const auto all = levels();
  EXPECT_EQ(&best_grid_kernels(), all.front());
  EXPECT_STREQ(all.back()->level, "baseline");
#if defined(__x86_64__)
  EXPECT_EQ(all.size(), 1 + static_cast<std::size_t>(processor_level()));
#endif
}

bool same_sums(const GateSums& a, const GateSums& b) {
  return test::same_bits(a.change2, b.change2) && test::same_bits(a.change, b.change) &&
         test::same_bits(a.weight2, b.weight2) && test::same_bits(a.weight, b.weight);
}

void expect_same(const GroupTally& a, const GroupTally& b, std::size_t points,
                 const std::string& where) {
  // Elements that nothing happens to need not be counted as such.
  for (std::size_t i = 0; i < points; ++i) {
    ASSERT_EQ(a.moved[i], b.moved[i]) << where << ", point " << i;
    ASSERT_EQ(a.changed[i], b.changed[i]) << where << ", point " << i;
    ASSERT_EQ(a.flipped[i], b.flipped[i]) << where << ", point " << i;
  }
  for (std::size_t i = 0; i <= points; ++i) {
    ASSERT_EQ(a.within[i], b.within[i]) << where << ", point " << i;
    ASSERT_TRUE(same_sums(a.sums[i], b.sums[i])) << where << ", point " << i;
  }
  ASSERT_EQ(a.negative_zeros, b.negative_zeros) << where;
}

/// A block without weights that have no class.
std::vector<std::uint16_t> codes(const ElementSet& set, bool weights, std::size_t count) {
  std::mt19937 random(weights ? 1 : 2);
  std::vector<std::uint16_t> made(count);
  for (std::uint16_t& code : made) {
    code = static_cast<std::uint16_t>(weights ? set.weight(DType::kBF16, random)
                                              : set.delta(DType::kBF16, random));
    if (weights && (code & 0x7FFFU) < kLeastClassed && (code & 0x7FFFU) != 0) code |= 0x4000U;
    if (!weights && (code & 0x7FFFU) < 0x0800U && (code & 0x7FFFU) != 0) code |= 0x3000U;
  }
  return made;
}

TEST(Bf16GridKernels, TallyAsTheGeneralOnes) {
  const std::vector<float> axes[] = {{0.01F, 0.05F, 0.25F, 1, 7, 60}, {-3, -0.002F}, {0.7F}};
  const std::vector<float> gate_axes[] = {{0, 0.001F, 0.003F, 0.0039F, 0.1F, 1.5F}, {0.25F}};
  for (const ElementSet& set : test::element_sets()) {
    for (const std::size_t count : {std::size_t{1}, std::size_t{515}, kBlockElements}) {
      const auto weight = codes(set, true, count);
      const auto delta = codes(set, false, count);
      for (const GridKernels* level : levels()) {
        const std::string where = std::string(set.name) + " on " + level->level;
        for (const auto& axis : axes) {
          const PointGroup group = group_points(ScfRole::kDown, axis).front();
          const auto plan = plan_bf16_down(group, 1e30F);
          ASSERT_NE(plan, nullptr);
          GroupTally fast;
          GroupTally general;
          ASSERT_TRUE(level->bf16.down(weight.data(), delta.data(), count, group, *plan, fast))
              << where;
          level->tally[kBf16Index][kBf16Index][0][0](weight.data(), delta.data(), count, group,
                                                     general);
          expect_same(fast, general, group.count, where);
        }
        for (const auto& axis : gate_axes) {
          const PointGroup group = group_points(ScfRole::kGate, axis).front();
          const auto plan = plan_bf16_gate(group);
          GroupTally fast;
          GroupTally general;
          ASSERT_TRUE(level->bf16.gate(weight.data(), delta.data(), count, group, *plan, fast))
              << where;
          level->tally[kBf16Index][kBf16Index][1][0](weight.data(), delta.data(), count, group,
                                                     general);
          expect_same(fast, general, group.count, where);
        }
      }
    }
  }
}

TEST(Bf16GridKernels, LeaveOutFlipsThatCannotHappen) {
  const ElementSet set = test::normal_set();
  const auto weight = codes(set, true, 4000);
  const auto delta = codes(set, false, 4000);
  const PointGroup group = group_points(ScfRole::kDown, std::vector<float>{0.1F, 0.2F}).front();
  const auto plan = plan_bf16_down(group, 4.0F);
  ASSERT_FALSE(plan->flips);
  for (const GridKernels* level : levels()) {
    GroupTally fast;
    GroupTally general;
    ASSERT_TRUE(level->bf16.down(weight.data(), delta.data(), 4000, group, *plan, fast));
    level->tally[kBf16Index][kBf16Index][0][0](weight.data(), delta.data(), 4000, group, general);
    expect_same(fast, general, group.count, level->level);
  }
}

TEST(Bf16GridKernels, RefuseABlockThatTheTablesDoNotCover) {
  const PointGroup down = group_points(ScfRole::kDown, std::vector<float>{0x1p-20F, 1}).front();
  const PointGroup gate = group_points(ScfRole::kGate, std::vector<float>{1}).front();
  const auto down_plan = plan_bf16_down(down, 1);
  const auto gate_plan = plan_bf16_gate(gate);
  ASSERT_NE(down_plan, nullptr);
  for (const GridKernels* level : levels()) {
    for (const std::size_t at : {0U, 600U, 8191U}) {
      for (const std::uint16_t code : std::vector<std::uint16_t>{0x0001, 0x80FF, 0x0080}) {
        std::vector<std::uint16_t> weight(kBlockElements, 0x3F80);
        const std::vector<std::uint16_t> delta(kBlockElements, 0x3F80);
        weight[at] = code;
        GroupTally tally;
        EXPECT_FALSE(
            level->bf16.down(weight.data(), delta.data(), kBlockElements, down, *down_plan, tally));
        EXPECT_FALSE(
            level->bf16.gate(weight.data(), delta.data(), kBlockElements, gate, *gate_plan, tally));
        expect_same(tally, GroupTally{}, down.count, level->level);
      }
      std::vector<std::uint16_t> delta(kBlockElements, 0x3F80);
      const std::vector<std::uint16_t> weight(kBlockElements, 0x3F80);
      GroupTally tally;
      delta[at] = 0x8000;
      EXPECT_TRUE(
          level->bf16.down(weight.data(), delta.data(), kBlockElements, down, *down_plan, tally));
      // 2^-20 times it is no f32 but 0.
      delta[at] = 0x8001;
      EXPECT_FALSE(
          level->bf16.down(weight.data(), delta.data(), kBlockElements, down, *down_plan, tally));
    }
  }
}

TEST(GridKernels, MomentsAreTheFusers) {
  for (const GridKernels* level : levels()) {
    for (const DType weight : test::kEditable) {
      for (const DType delta : test::kEditable) {
        for (const std::size_t count : {std::size_t{1}, std::size_t{300}, kBlockElements}) {
          const auto w = test::mixed_elements(weight, count, 1, count == 300);
          const auto d = test::mixed_elements(delta, count, 2, count == 300);
          const auto moments = level->moments[element_index(weight)][element_index(delta)];
          const GridMoments down = moments[0](w.data(), d.data(), count);
          const GridMoments gate = moments[1](w.data(), d.data(), count);
          const auto right_w = best_kernels().moments[element_index(weight)](w.data(), count);
          const auto right_d = best_kernels().moments[element_index(delta)](d.data(), count);
          const auto same = [](const BlockMoments& a, const BlockMoments& b, bool sums) {
            return a.finite == b.finite && a.smallest == b.smallest && a.largest == b.largest &&
                   (!sums || (test::same_bits(a.moments.sum, b.moments.sum) &&
                              test::same_bits(a.moments.sum_squares, b.moments.sum_squares)));
          };
          EXPECT_TRUE(same(down.weight, right_w, true));
          EXPECT_TRUE(same(down.delta, right_d, true));
          EXPECT_TRUE(same(gate.weight, right_w, true));
          EXPECT_TRUE(same(gate.delta, right_d, false));
        }
      }
    }
  }
}

}  // namespace
}  // namespace contourfuse
