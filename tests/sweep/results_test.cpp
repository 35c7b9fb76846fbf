// Totals, quotients, and the text of both result files.
#include "contourfuse/sweep/results.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "sweep/sweeping.hpp"

namespace contourfuse {
namespace {

class Results : public test::Sweeping {
 protected:
  Results() {
    settings.alphas = {2};
    settings.gammas = {0.5};
  }
  static std::string results_jsonl(const SweepPlan& plan, const SweepResults& results) {
    std::string lines;
    write_jsonl(plan, results, [&](std::string_view text) { lines += text; });
    return lines;
  }
  static std::string results_csv(const SweepPlan& plan, const SweepResults& results) {
    std::string lines;
    write_csv(plan, results, [&](std::string_view text) { lines += text; });
    return lines;
  }
  static LayerGrid layer(std::uint64_t number, double scale) {
    LayerGrid grid;
    grid.layer = number;
    grid.gate = MatrixGrid{.covered = 10, .weight2 = 4 * scale, .max_delta = scale};
    grid.gate->points = {{.moved = 9,
                          .changed = 8,
                          .lost = 1,
                          .clamped = 3,
                          .sign_flips = 2,
                          .change2 = scale,
                          .change = 5}};
    grid.down = MatrixGrid{.covered = 10, .weight2 = 0, .max_delta = 9};
    grid.down->points = {{.moved = 1, .changed = 0.25, .lost = 0.75}};
    grid.output = OutputGrid{.values = 4, .base2 = 4, .norm_base2 = 1};
    grid.output->points = {
        {.change2 = scale, .change = 2, .cross = 6, .out2 = 9, .norm_change2 = 0.25}};
    return grid;
  }
};

TEST_F(Results, PoolNumeratorsAndDenominators) {
  const SweepResults results = make_results({layer(3, 1), layer(5, 8)});
  const MatrixGrid& gate = *results.total.gate;
  EXPECT_EQ(gate.covered, 20U);
  EXPECT_EQ(gate.points[0].moved, 18U);
  EXPECT_EQ(gate.points[0].changed, 16);
  EXPECT_EQ(gate.points[0].lost, 2);
  EXPECT_EQ(gate.points[0].clamped, 6U);
  EXPECT_EQ(gate.points[0].sign_flips, 4U);
  EXPECT_DOUBLE_EQ(*drift(gate, gate.points[0]), 0.5);  // √((1 + 8) / (4 + 32))
  EXPECT_DOUBLE_EQ(*mean_shift(gate, gate.points[0]), 0.5);
  EXPECT_FALSE(drift(*results.total.down, results.total.down->points[0]).has_value());
  const OutputGrid& output = *results.total.output;
  EXPECT_DOUBLE_EQ(*output_error(output, output.points[0]), std::sqrt(9.0 / 8));
  EXPECT_DOUBLE_EQ(*output_cosine(output, output.points[0]), 12 / std::sqrt(8.0 * 18));
  EXPECT_DOUBLE_EQ(*output_mean_shift(output, output.points[0]), 0.5);
  EXPECT_DOUBLE_EQ(*error_after_norm(output, output.points[0]), 0.5);
  EXPECT_EQ(gamma_saturates_at(results), 8);
}

TEST_F(Results, HaveNoTotalAfterTheNormUnlessEveryLayerHas) {
  LayerGrid without = layer(5, 1);
  without.output->norm_base2.reset();
  const SweepResults results = make_results({layer(3, 1), without, layer(7, 1)});
  EXPECT_FALSE(error_after_norm(*results.total.output, results.total.output->points[0]));
  EXPECT_TRUE(output_error(*results.total.output, results.total.output->points[0]));
}

TEST_F(Results, AreOneLineAPointAndLayer) {
  SweepResults results = make_results({layer(3, 1)});
  results.evaluations = {{0, 0, {{"acc,none", 0.125}}}};
  const std::string gate =
      R"({"covered":10,"moved":9,"drift":0.5,"changed":8,"lost":1,"clamped":3,"sign_flips":2,)"
      R"("mean_shift":0.5})";
  const std::string down =
      R"({"covered":10,"moved":1,"drift":null,"changed":0.25,"lost":0.75,"sign_flips":0,)"
      R"("mean_shift":0})";
  const std::string output = R"({"error":0.5,"cosine":1,"mean_shift":0.5,"error_after_norm":0.5})";
  const auto line = [&](const std::string& number, const std::string& rest) {
    return R"({"alpha":2,"gamma_cap":0.5,"layer":)" + number + R"(,"gate":)" + gate +
           R"(,"down":)" + down + R"(,"output":)" + output + rest + "}\n";
  };
  EXPECT_EQ(results_jsonl(plan_sweep(settings), results),
            line("3", "") + line("null", R"(,"evaluation":{"acc,none":0.125})"));
}

TEST_F(Results, HaveTheSameNumbersAsATable) {
  SweepResults results = make_results({layer(3, 1)});
  results.evaluations = {{0, 0, {{"acc,none", 0.125}}}};
  const std::string cells = "10,9,0.5,8,1,3,2,0.5,10,1,,0.25,0.75,0,0,0.5,1,0.5,0.5";
  EXPECT_EQ(results_csv(plan_sweep(settings), results),
            "alpha,gamma_cap,layer,gate_covered,gate_moved,gate_drift,gate_changed,gate_lost,"
            "gate_clamped,gate_sign_flips,gate_mean_shift,down_covered,down_moved,down_drift,"
            "down_changed,down_lost,down_sign_flips,down_mean_shift,output_error,output_cosine,"
            "output_mean_shift,output_error_after_norm,\"evaluation_acc,none\"\n"
            "2,0.5,3," +
                cells + ",\n2,0.5,," + cells + ",0.125\n");
}

TEST_F(Results, LeaveMissingRolesEmpty) {
  LayerGrid bare;
  bare.layer = 3;
  bare.down = layer(3, 1).down;
  const SweepPlan plan = plan_sweep(settings);
  const SweepResults results = make_results({bare});
  const std::string lines = results_jsonl(plan, results);
  EXPECT_NE(lines.find(R"("gate":null,"down":{)"), std::string::npos);
  EXPECT_NE(lines.find(R"("output":null})"), std::string::npos);
  EXPECT_NE(results_csv(plan, results).find("\n2,0.5,3,,,,,,,,,10,1,,0.25,0.75,0,0,,,,\n"),
            std::string::npos);
  EXPECT_FALSE(gamma_saturates_at(results).has_value());
}

TEST_F(Results, ComeInPlanOrder) {
  settings.alphas = {2, 1};
  settings.gammas = {0.5, 0.25};
  LayerGrid grid;
  grid.gate = MatrixGrid{};
  grid.gate->points = {{.changed = 1}, {.changed = 2}};
  grid.down = MatrixGrid{};
  grid.down->points = {{.changed = 10}, {.changed = 20}};
  const auto points = total_points(plan_sweep(settings), make_results({grid}));
  ASSERT_EQ(points.size(), 4U);
  EXPECT_EQ(points[1]["alpha"], 1);
  EXPECT_EQ(points[1]["gamma_cap"], 0.5);
  EXPECT_EQ(points[1]["gate"]["changed"], 1);
  EXPECT_EQ(points[1]["down"]["changed"], 20);
  EXPECT_EQ(points[2]["gamma_cap"], 0.25);
  EXPECT_EQ(points[2]["gate"]["changed"], 2);
  EXPECT_EQ(points[2]["down"]["changed"], 10);
}

}  // namespace
}  // namespace contourfuse
