// Plans: what is matched, and every refusal.
#include "contourfuse/fusion/plan.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "fusion/fusing.hpp"

namespace contourfuse {
namespace {

using test::bf16_bytes;
using test::kDown;
using test::kGate;
using test::kNorm;
using test::kUp;

using FusePlanning = test::Fusing;

TEST_F(FusePlanning, MatchesGateAndDownByName) {
  write_delta({{kGate, "BF16", "[6,4]", bf16_bytes(24, 8)},
               {kUp, "BF16", "[6,4]", bf16_bytes(24, 8)},
               {kDown, "F32", "[4,6]", std::string(96, '\0')},
               {"another.weight", "F32", "[1]", "abcd"},
               {kNorm, "BF16", "[4]", bf16_bytes(4, 1)}});
  const FusePlan plan = plan_fuse(settings);
  ASSERT_EQ(plan.matrices.size(), 2U);
  EXPECT_EQ(plan.matrices[0].view.tensor, kGate);
  EXPECT_EQ(plan.matrices[0].role, Role::kGate);
  EXPECT_EQ(plan.matrices[0].shard, 0U);
  EXPECT_EQ(plan.matrices[1].view.tensor, kDown);
  EXPECT_EQ(plan.matrices[1].role, Role::kDown);
  EXPECT_EQ(plan.matrices[1].shard, 1U);
  EXPECT_EQ(plan.matrices[1].delta_dtype, DType::kF32);
  EXPECT_EQ(plan.matrices[1].covered_shape, (Shape{4, 6}));
  EXPECT_EQ(plan.selected_layers, std::vector<std::uint64_t>{0});
  EXPECT_EQ(plan.unknown_keys, (std::vector<std::string>{"another.weight", kNorm}));
  EXPECT_TRUE(plan.missing_keys.empty());
  EXPECT_TRUE(plan.partial.empty());
  EXPECT_FALSE(std::filesystem::exists(settings.output));
}

TEST_F(FusePlanning, FindsTheMatricesBytes) {
  write_whole_delta();
  for (const PlannedMatrix& matrix : plan_fuse(settings).matrices) {
    const std::string file =
        test::read_bytes(base() / (matrix.role == Role::kGate ? test::kShard1 : test::kShard2));
    EXPECT_EQ(matrix.view.file_offset, test::tensor_range(file, matrix.view.tensor).first);
  }
}

TEST_F(FusePlanning, NamesWhatTheDeltaLacksAndCoversInPart) {
  write_delta({{kDown, "BF16", "[3,5]", bf16_bytes(15, 8)}});
  const FusePlan plan = plan_fuse(settings);
  EXPECT_EQ(plan.missing_keys, std::vector<std::string>{kGate});
  EXPECT_EQ(plan.partial, std::vector<std::string>{kDown});
  EXPECT_EQ(plan.matrices[0].covered_shape, (Shape{3, 5}));
}

TEST_F(FusePlanning, CountsTheBytesOfARun) {
  write_delta({{kGate, "F32", "[5,4]", std::string(80, '\0')},
               {kDown, "BF16", "[4,3]", bf16_bytes(12, 8)}});
  const std::uint64_t shards = std::filesystem::file_size(base() / test::kShard1) +
                               std::filesystem::file_size(base() / test::kShard2);
  const PlannedBytes two_passes = planned_bytes(plan_fuse(settings));
  EXPECT_EQ(two_passes.written, shards);
  EXPECT_EQ(two_passes.delta_read, 80U + 2 * 24U);
  EXPECT_EQ(two_passes.read, shards + 24U + 80U + 2 * 24U);
  settings.parameters.variance_norm = VarianceNorm::kNone;
  const PlannedBytes one_pass = planned_bytes(plan_fuse(settings));
  EXPECT_EQ(one_pass.delta_read, 80U + 24U);
  EXPECT_EQ(one_pass.read, shards + 80U + 24U);
}

TEST_F(FusePlanning, RefusesAlphaAndGammaOutOfRange) {
  write_whole_delta();
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    settings.parameters.alpha = bad;
    EXPECT_EQ(plan_error().kind(), "bad-alpha");
    EXPECT_EQ(plan_error().failure(), Failure::kUsage);
  }
  settings.parameters.alpha = -3;
  EXPECT_EQ(plan_error().kind(), "none");
  for (const double bad : {std::nan(""), HUGE_VAL, -0.01}) {
    settings.parameters.gamma_cap = bad;
    EXPECT_EQ(plan_error().kind(), "bad-gamma-cap");
    EXPECT_EQ(plan_error().failure(), Failure::kUsage);
  }
  settings.parameters.gamma_cap = 0;
  EXPECT_EQ(plan_error().kind(), "none");
}

TEST_F(FusePlanning, RefusesADeltaLargerThanItsWeight) {
  for (const auto& [shape, count] : {std::pair{"[7,4]", 28U}, std::pair{"[6,5]", 30U},
                                     std::pair{"[24]", 24U}, std::pair{"[1,6,4]", 24U}}) {
    write_delta({{kGate, "BF16", shape, bf16_bytes(count, 8)}});
    const Error error = plan_error();
    EXPECT_EQ(error.kind(), "delta-shape") << shape;
    EXPECT_EQ(error.failure(), Failure::kBadInput);
    EXPECT_EQ(error.place().tensor, kGate);
    EXPECT_EQ(error.place().file, (delta() / "delta.safetensors").string());
    EXPECT_NE(error.message().find("[6, 4]"), std::string::npos);  // both shapes
  }
  EXPECT_NE(plan_error().message().find("[1, 6, 4]"), std::string::npos);
}

TEST_F(FusePlanning, RefusesADeltaThatIsNoFloat) {
  write_delta({{kGate, "I16", "[6,4]", bf16_bytes(24, 8)}});
  EXPECT_EQ(plan_error().kind(), "delta-dtype");
  EXPECT_EQ(plan_error().place().tensor, kGate);
  EXPECT_NE(plan_error().message().find("I16"), std::string::npos);
}

TEST_F(FusePlanning, RefusesAWeightThatCannotBeEdited) {
  write_whole_delta();
  const std::string shard = test::read_bytes(base() / test::kShard2);
  std::string changed = shard;
  changed.replace(changed.find("BF16"), 4, "I16 ");
  changed.replace(changed.find("\"I16 \""), 6, "\"I16\" ");
  test::write_bytes(base() / test::kShard2, changed);
  EXPECT_EQ(plan_error().kind(), "dtype-not-editable");
  EXPECT_EQ(plan_error().place().tensor, kDown);
}

TEST_F(FusePlanning, RefusesPartialCoverageWhenFullIsRequired) {
  settings.parameters.require_full_coverage = true;
  write_whole_delta();
  EXPECT_EQ(plan_error().kind(), "none");
  write_delta({{kDown, "BF16", "[4,5]", bf16_bytes(20, 8)}});
  EXPECT_EQ(plan_error().kind(), "partial-coverage");
  EXPECT_EQ(plan_error().place().tensor, kDown);
}

TEST_F(FusePlanning, RefusesADeltaThatMatchesNothing) {
  write_delta({{kUp, "BF16", "[6,4]", bf16_bytes(24, 8)}, {"x", "F32", "[1]", "abcd"}});
  EXPECT_EQ(plan_error().kind(), "nothing-to-fuse");
  EXPECT_EQ(plan_error().place().file, delta().string());
}

TEST_F(FusePlanning, RefusesAMissingDeltaAndAnUnknownLayer) {
  EXPECT_EQ(plan_error().kind(), "weights-not-found");
  write_whole_delta();
  settings.layers = {"1"};
  EXPECT_EQ(plan_error().kind(), "unknown-layer");
  settings.layers = {"sideways"};
  EXPECT_EQ(plan_error().kind(), "bad-layer-selection");
}

TEST_F(FusePlanning, RefusesAnOutputThatExistsOrOverlapsAnInput) {
  write_whole_delta();
  std::filesystem::create_directories(settings.output);
  EXPECT_EQ(plan_error().kind(), "output-exists");
  settings.overwrite = true;
  EXPECT_EQ(plan_error().kind(), "none");
  for (const auto& inside : {base(), base() / "new", delta(), delta() / "new", folder.path()}) {
    settings.output = inside;
    EXPECT_EQ(plan_error().kind(), "output-overlaps-input") << inside;
  }
  settings.output.clear();  // a dry run
  EXPECT_EQ(plan_error().kind(), "none");
}

}  // namespace
}  // namespace contourfuse
