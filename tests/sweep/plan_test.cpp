// Plans: what they say, where they are kept, and what they refuse.
#include "contourfuse/sweep/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "sweep/sweeping.hpp"

namespace contourfuse {
namespace {

using test::error_of;
using test::layer_tensor;
using testing::ElementsAre;
using testing::HasSubstr;

using SweepPlanning = test::Sweeping;

TEST_F(SweepPlanning, CutsTheLayersIntoTasks) {
  EXPECT_THAT(plan_sweep(settings).tasks, ElementsAre(ElementsAre(0U), ElementsAre(1U)));
  settings.layers_per_task = 2;
  EXPECT_THAT(plan_sweep(settings).tasks, ElementsAre(ElementsAre(0U, 1U)));
  settings.layers = {"1"};
  EXPECT_THAT(plan_sweep(settings).tasks, ElementsAre(ElementsAre(1U)));
}

TEST_F(SweepPlanning, IsReadBackAsItWasStored) {
  settings.budget = Budget{BudgetMetric::kDrift, 0.125};
  settings.rounding = Rounding::kStochastic;
  settings.variance_norm = VarianceNorm::kUnit;
  settings.rounding_seed = 7;
  settings.exact = true;
  const SweepPlan plan = stored_plan();
  const SweepPlan loaded = load_plan(run());
  EXPECT_EQ(plan_text(loaded), plan_text(plan));
  EXPECT_EQ(plan_digest(loaded), plan_digest(plan));
  EXPECT_EQ(loaded.fuse.matrices.size(), 4U);
  EXPECT_EQ(loaded.settings.alphas, settings.alphas);
  EXPECT_EQ(loaded.settings.budget->limit, 0.125);
}

TEST_F(SweepPlanning, KeepsOnePlanAFolder) {
  stored_plan();
  EXPECT_EQ(error_of([&] { stored_plan(); }).kind(), "none");
  settings.alphas.push_back(3);
  EXPECT_EQ(error_of([&] { stored_plan(); }).kind(), "run-differs");
  EXPECT_EQ(load_plan(run()).settings.alphas.size(), 3U);
}

TEST_F(SweepPlanning, LeavesAFolderWithSomethingElseAlone) {
  test::write_bytes(run() / "notes.txt", "mine");
  EXPECT_EQ(error_of([&] { stored_plan(); }).kind(), "run-differs");
  EXPECT_FALSE(std::filesystem::exists(run() / kSweepPlanName));
}

TEST_F(SweepPlanning, RefusesOneFlippedByteOfWhatIsSwept) {
  const SweepPlan plan = stored_plan();
  EXPECT_EQ(error_of([&] { check_contents(plan, {0, 1}); }).kind(), "none");
  const std::string name = layer_tensor(1, "up");
  flip_byte(shard(), test::tensor_range(test::read_bytes(shard()), name).second - 1);
  const SweepPlan loaded = load_plan(run());
  EXPECT_EQ(error_of([&] { check_contents(loaded, {0}); }).kind(), "none");
  const Error error = error_of([&] { check_contents(loaded, {1}); });
  EXPECT_EQ(error.kind(), "input-changed");
  EXPECT_EQ(error.failure(), Failure::kBadInput);
  EXPECT_EQ(error.place().tensor, name);
}

TEST_F(SweepPlanning, RefusesOneFlippedByteOfTheDelta) {
  stored_plan();
  flip_byte(delta_file(), std::filesystem::file_size(delta_file()) - 1);
  const Error error = error_of([&] { check_contents(load_plan(run()), {1}); });
  EXPECT_EQ(error.kind(), "input-changed");
  EXPECT_EQ(error.place().tensor, layer_tensor(1, "gate"));
}

TEST_F(SweepPlanning, ComparesFilesWhereHashesAreTooDear) {
  SweepPlan plan = plan_sweep(settings);
  plan.contents.clear();
  const FileIdentity identity = File::open(shard()).identity();
  plan.files = {{shard().string(), identity.bytes, identity.inode, identity.modified_ns}};
  store_plan(plan, run());
  EXPECT_EQ(error_of([&] { static_cast<void>(load_plan(run())); }).kind(), "none");
  const auto time = std::filesystem::last_write_time(shard());
  std::filesystem::last_write_time(shard(), time + std::chrono::seconds(1));
  EXPECT_EQ(error_of([&] { static_cast<void>(load_plan(run())); }).kind(), "input-changed");
  EXPECT_EQ(error_of([&] { check_contents(plan, {0}); }).place().file, shard().string());
  // The same time, of a copy in its place and of a file that grew.
  const auto bytes = test::read_bytes(shard());
  std::filesystem::rename(shard(), folder.path() / "moved");
  test::write_bytes(shard(), bytes);
  std::filesystem::last_write_time(shard(), time);
  EXPECT_EQ(error_of([&] { check_contents(plan, {0}); }).kind(), "input-changed");
  std::filesystem::rename(folder.path() / "moved", shard());
  std::filesystem::last_write_time(shard(), time);
  EXPECT_EQ(error_of([&] { check_contents(plan, {0}); }).kind(), "none");
  plan.files[0].bytes += 1;
  EXPECT_EQ(error_of([&] { check_contents(plan, {0}); }).kind(), "input-changed");
}

TEST_F(SweepPlanning, RefusesAnotherModelInTheSamePlace) {
  stored_plan();
  test::write_bytes(shard(),
                    test::safetensors_bytes(
                        {{layer_tensor(0, "down"), "BF16", "[4,6]", test::bf16_bytes(24, 0)},
                         {layer_tensor(0, "gate"), "BF16", "[6,4]", test::bf16_bytes(24, 1)},
                         {layer_tensor(1, "down"), "BF16", "[4,6]", test::bf16_bytes(24, 10)}}));
  EXPECT_EQ(error_of([&] { static_cast<void>(load_plan(run())); }).kind(), "input-changed");
}

TEST_F(SweepPlanning, RefusesABudgetThatItCannotMeasure) {
  settings.budget = Budget{BudgetMetric::kOutputError, 1};
  EXPECT_EQ(error_of([&] { static_cast<void>(plan_sweep(settings)); }).kind(),
            "budget-not-measured");
  settings.budget->metric = BudgetMetric::kDrift;
  EXPECT_EQ(error_of([&] { static_cast<void>(plan_sweep(settings)); }).kind(), "none");
}

TEST_F(SweepPlanning, NamesAChangedProbe) {
  settings.probe = folder.path() / "probe.safetensors";
  test::write_bytes(settings.probe, "any bytes");
  stored_plan();
  test::write_bytes(settings.probe, "any Bytes");
  const Error error = error_of([&] { check_contents(load_plan(run()), {0}); });
  EXPECT_EQ(error.kind(), "input-changed");
  EXPECT_EQ(error.place().file, settings.probe.string());
}

TEST_F(SweepPlanning, RefusesATextThatIsNoPlan) {
  EXPECT_EQ(error_of([&] { static_cast<void>(load_plan(run())); }).kind(), "no-plan");
  const std::string text = plan_text(stored_plan());
  const auto refusal_of = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    test::write_bytes(run() / kSweepPlanName, changed);
    return error_of([&] { static_cast<void>(load_plan(run())); });
  };
  EXPECT_EQ(refusal_of("plan/1", "plan/2").kind(), "json-field");
  EXPECT_EQ(refusal_of("\"match\"", "\"mach\"").kind(), "json-field");
  EXPECT_EQ(refusal_of("\"tasks\"", "\"task\"").kind(), "json-unknown-key");
  EXPECT_EQ(refusal_of("\"exact\"", "\"exactly\"").kind(), "json-unknown-key");
  EXPECT_EQ(refusal_of("{", "[").kind(), "json-syntax");
  EXPECT_THAT(refusal_of("\"alphas\"", "\"alpha\"").message(), HasSubstr("\"alpha\""));
}

}  // namespace
}  // namespace contourfuse
