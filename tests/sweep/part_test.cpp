// Parts: what is written is read back, and nothing else is believed.
#include "contourfuse/sweep/part.hpp"

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "sweep/sweeping.hpp"

namespace contourfuse {
namespace {

using test::error_of;

class Parts : public test::Sweeping {
 protected:
  static std::vector<LayerGrid> layers() {
    LayerGrid layer;
    layer.layer = 1;
    layer.gate = MatrixGrid{.covered = 24, .weight2 = 1.0 / 3, .max_delta = 0.1};
    layer.gate->points = {{.moved = 5,
                           .changed = 4,
                           .lost = 1,
                           .clamped = 2,
                           .sign_flips = 3,
                           .change2 = 1e-300,
                           .change = -0.1},
                          {.changed = 0.5}};
    OutputGrid output{.values = 8, .base2 = 2, .norm_base2 = 0.7};
    output.points.resize(6);
    output.points[5] = {1.5, -2.5, 3.5, 4.5, 1.0 / 7};
    layer.output = output;
    return {layer};
  }
};

TEST_F(Parts, AreReadBackToTheBit) {
  const SweepPlan plan = stored_plan();
  EXPECT_FALSE(read_part(plan, run(), 1).has_value());
  const std::string text = part_text(plan, 1, layers());
  publish_parts(run(), {{1, text}});
  EXPECT_EQ(test::read_bytes(part_path(run(), 1)), text);
  const auto part = read_part(plan, run(), 1);
  ASSERT_TRUE(part.has_value());
  ASSERT_EQ(part->size(), 1U);
  EXPECT_EQ(part_text(plan, 1, *part), text);
  EXPECT_EQ(part->front().gate->points[0].change2, 1e-300);
  EXPECT_EQ(part->front().output->points[5].norm_change2, 1.0 / 7);
  EXPECT_FALSE(part->front().down.has_value());
}

TEST_F(Parts, AnyFlippedByteIsFound) {
  const SweepPlan plan = stored_plan();
  const std::string text = part_text(plan, 1, layers());
  publish_parts(run(), {{1, text}});
  for (std::size_t at = 0; at < text.size(); ++at) {
    flip_byte(part_path(run(), 1), at);
    EXPECT_EQ(error_of([&] { static_cast<void>(read_part(plan, run(), 1)); }).kind(),
              "part-damaged")
        << at;
    flip_byte(part_path(run(), 1), at);
  }
  EXPECT_TRUE(read_part(plan, run(), 1).has_value());
}

TEST_F(Parts, OfAnotherPlanOrTaskAreRefused) {
  const SweepPlan plan = stored_plan();
  publish_parts(run(), {{0, part_text(plan, 1, layers())}});
  EXPECT_EQ(error_of([&] { static_cast<void>(read_part(plan, run(), 0)); }).kind(), "part-damaged");
  SweepPlan other = plan;
  other.settings.alphas[0] = 0.5;
  publish_parts(run(), {{1, part_text(other, 1, layers())}});
  EXPECT_EQ(error_of([&] { static_cast<void>(read_part(plan, run(), 1)); }).kind(), "part-damaged");
}

TEST_F(Parts, MayBePublishedTwiceIfTheyAreEqual) {
  const SweepPlan plan = stored_plan();
  const std::string text = part_text(plan, 1, layers());
  publish_parts(run(), {{1, text}});
  EXPECT_EQ(error_of([&] { publish_parts(run(), {{1, text}}); }).kind(), "none");
  const Error error = error_of([&] { publish_parts(run(), {{1, text + " "}}); });
  EXPECT_EQ(error.kind(), "part-differs");
  EXPECT_EQ(error.place().file, part_path(run(), 1).string());
  EXPECT_EQ(test::read_bytes(part_path(run(), 1)), text);
  EXPECT_EQ(test::read_bytes(part_path(run(), 1).string() + ".differs"), text + " ");
}

TEST_F(Parts, LeaveNoOtherFiles) {
  publish_parts(run(), {{1, part_text(stored_plan(), 1, layers())}});
  const auto files = std::filesystem::directory_iterator(run() / "parts");
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

}  // namespace
}  // namespace contourfuse
