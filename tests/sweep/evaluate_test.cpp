// A user's command on points of a sweep.
#include "contourfuse/sweep/evaluate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "contourfuse/sweep/work.hpp"
#include "support/error_of.hpp"
#include "sweep/sweeping.hpp"

namespace contourfuse {
namespace {

using test::error_of;
using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

class Evaluating : public test::Sweeping {
 protected:
  Evaluating() : plan(stored_plan()) {
    run_tasks(plan, run(), std::vector<std::size_t>{0, 1}, devices(), {});
    merged = merge_parts(plan, run());
  }
  void evaluate(const std::string& command, std::vector<BudgetPoint> points = {{1, 0, 0}}) {
    evaluate_points(plan, run(), points, command, fuser, {});
  }
  SweepPlan plan;
  MergedSweep merged{};
};

TEST_F(Evaluating, ReadsTheLastLineAndRemovesTheModel) {
  evaluate("test -f {model}/model.safetensors && echo noise && echo '{\"loss\":1.5,\"n\":2}'");
  const std::vector<Evaluation> found = read_evaluations(plan, run());
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].alpha, 1U);
  EXPECT_EQ(found[0].gamma, 0U);
  EXPECT_THAT(found[0].metrics, UnorderedElementsAre(Pair("loss", 1.5), Pair("n", 2)));
  const auto files = std::filesystem::directory_iterator(run() / "evaluations");
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
  EXPECT_EQ(fuser.numbers.alpha, 1);
  EXPECT_EQ(fuser.numbers.gamma, 0.5F);
}

TEST_F(Evaluating, DoesAPointOnceForEachCommand) {
  int fused = 0;
  fuser.on_run = [&] { ++fused; };
  evaluate("echo '{\"x\":1}'");
  evaluate("echo '{\"x\":1}'");
  EXPECT_EQ(fused, 1);
  evaluate("echo '{\"x\":2}'");
  EXPECT_EQ(fused, 2);
  EXPECT_THAT(merge_parts(plan, run()).results.evaluations[0].metrics, ElementsAre(Pair("x", 2)));
}

TEST_F(Evaluating, SaysWhatTheCommandDidWrong) {
  EXPECT_EQ(error_of([&] { evaluate("exit 3"); }).kind(), "evaluate-failed");
  EXPECT_EQ(error_of([&] { evaluate("kill -9 $$"); }).kind(), "evaluate-failed");
  EXPECT_EQ(error_of([&] { evaluate("true"); }).kind(), "evaluate-no-metrics");
  EXPECT_EQ(error_of([&] { evaluate("echo 3"); }).kind(), "evaluate-no-metrics");
  EXPECT_EQ(error_of([&] { evaluate("echo '{\"a\":\"b\"}'"); }).kind(), "evaluate-no-metrics");
  EXPECT_TRUE(read_evaluations(plan, run()).empty());
  EXPECT_TRUE(std::filesystem::is_empty(run() / "evaluations"));
}

TEST_F(Evaluating, SelectsPoints) {
  plan.settings.budget = Budget{BudgetMetric::kDrift, 0.9};
  merged.budget = find_budget(plan, merged.results);
  const auto places = [&](std::string_view selection) {
    std::vector<std::pair<std::size_t, std::size_t>> found;
    for (const BudgetPoint& point : select_points(plan, merged, selection)) {
      found.emplace_back(point.alpha, point.gamma);
    }
    return found;
  };
  EXPECT_EQ(places("all").size(), 6U);
  // Drifts √(γ² + α²)/2: (0, ½) ¼, (0, 1) ½, (1, ½) 0.56, (1, 1) 0.71, (2, …) above 1.
  EXPECT_THAT(places("pareto"), ElementsAre(Pair(1U, 1U)));
  EXPECT_THAT(places("best"), ElementsAre(Pair(1U, 1U)));
  EXPECT_THAT(places("2"), ElementsAre(Pair(1U, 1U), Pair(1U, 0U)));
  EXPECT_EQ(places("99").size(), 4U);
  EXPECT_EQ(error_of([&] { places("some"); }).kind(), "bad-points");
  EXPECT_EQ(error_of([&] { places("0"); }).kind(), "bad-points");
}

TEST_F(Evaluating, NamesTheFuseOfAPoint) {
  EXPECT_THAT(point_settings(plan, 8, 0.5).command,
              ElementsAre("contourfuse", "fuse", "--model", plan.settings.model, "--weights",
                          plan.settings.weights.string(), "--alpha", "8", "--gamma-cap", "0.5"));
}

}  // namespace
}  // namespace contourfuse
