// Tasks: each done once, whole or not at all.
#include "contourfuse/sweep/work.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "contourfuse/sweep/merge.hpp"
#include "contourfuse/sweep/part.hpp"
#include "support/error_of.hpp"
#include "sweep/sweeping.hpp"

namespace contourfuse {
namespace {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using SweepWork = test::Sweeping;

TEST_F(SweepWork, LeavesAPartATask) {
  const SweepPlan plan = stored_plan();
  const WorkReport report = run_tasks(plan, run(), std::vector<std::size_t>{1}, devices(), {});
  EXPECT_THAT(report.done, ElementsAre(1U));
  EXPECT_EQ(backend.measured, 2);
  EXPECT_FALSE(read_part(plan, run(), 0).has_value());
  const auto part = read_part(plan, run(), 1);
  ASSERT_TRUE(part.has_value());
  EXPECT_EQ(part->front().layer, 1U);
  EXPECT_EQ(part->front().gate->points.size(), 2U);
  EXPECT_EQ(part->front().down->points[2].change2, 4);
}

TEST_F(SweepWork, DoesNoTaskTwice) {
  const SweepPlan plan = stored_plan();
  run_tasks(plan, run(), std::vector<std::size_t>{1}, devices(), {});
  const auto time = std::filesystem::last_write_time(part_path(run(), 1));
  const WorkReport report = run_tasks(plan, run(), std::vector<std::size_t>{0, 1}, devices(), {});
  EXPECT_THAT(report.done, ElementsAre(0U));
  EXPECT_THAT(report.found_done, ElementsAre(1U));
  EXPECT_EQ(backend.measured, 4);
  EXPECT_EQ(std::filesystem::last_write_time(part_path(run(), 1)), time);
}

TEST_F(SweepWork, LeavesNothingOfACancelledTask) {
  const SweepPlan plan = stored_plan();
  Cancellation cancellation;
  Execution execution;
  execution.threads = 1;
  execution.cancellation = &cancellation;
  backend.on_measure = [&] { cancellation.request(); };
  EXPECT_EQ(error_of([&] {
              run_tasks(plan, run(), std::vector<std::size_t>{0, 1}, devices(), execution);
            }).kind(),
            "interrupted");
  EXPECT_FALSE(std::filesystem::exists(run() / "parts"));
}

TEST_F(SweepWork, RefusesABaseThatChangesMeanwhile) {
  const SweepPlan plan = stored_plan();
  backend.on_measure = [&] {
    std::filesystem::last_write_time(
        shard(), std::filesystem::file_time_type::min() + std::chrono::hours(1));
  };
  Execution execution;
  execution.threads = 1;
  EXPECT_EQ(error_of([&] {
              run_tasks(plan, run(), std::vector<std::size_t>{0}, devices(), execution);
            }).kind(),
            "input-changed");
  EXPECT_FALSE(read_part(plan, run(), 0).has_value());
}

TEST_F(SweepWork, DealsTasksToTheElementsOfAnArray) {
  EXPECT_THAT(tasks_of_element(7, 0, 3), ElementsAre(0U, 3U, 6U));
  EXPECT_THAT(tasks_of_element(7, 2, 3), ElementsAre(2U, 5U));
  EXPECT_THAT(tasks_of_element(2, 2, 3), IsEmpty());
}

TEST_F(SweepWork, MergesOnceAllIsDoneAndAlwaysTheSame) {
  const SweepPlan plan = stored_plan();
  run_tasks(plan, run(), std::vector<std::size_t>{0}, devices(), {});
  const Error error = error_of([&] { static_cast<void>(merge_parts(plan, run())); });
  EXPECT_EQ(error.failure(), Failure::kIncomplete);
  EXPECT_THAT(error.message(), HasSubstr("1 of 2 tasks are not done yet: 1"));
  run_tasks(plan, run(), std::vector<std::size_t>{1}, devices(), {});
  write_results(plan, run(), merge_parts(plan, run()));
  const std::string lines = test::read_bytes(run() / "results.jsonl");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 3 * 2 * 3);
  write_results(plan, run(), merge_parts(plan, run()));
  EXPECT_EQ(test::read_bytes(run() / "results.jsonl"), lines);
}

TEST_F(SweepWork, ADamagedPartLeavesTheResultsAsTheyWere) {
  const SweepPlan plan = stored_plan();
  run_tasks(plan, run(), std::vector<std::size_t>{0, 1}, devices(), {});
  write_results(plan, run(), merge_parts(plan, run()));
  const std::string lines = test::read_bytes(run() / "results.jsonl");
  flip_byte(part_path(run(), 1), 40);
  EXPECT_EQ(error_of([&] { write_results(plan, run(), merge_parts(plan, run())); }).failure(),
            Failure::kBadInput);
  EXPECT_EQ(test::read_bytes(run() / "results.jsonl"), lines);
}

}  // namespace
}  // namespace contourfuse
