// Totals, advice and the document of a fuse, from results made up by hand.
#include "contourfuse/fusion/fuse_report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "fusion/fusing.hpp"

namespace contourfuse {
namespace {

using test::bf16_bytes;
using test::kDown;
using test::kGate;

/// Gate covered in part ([5, 4] of [6, 4]), down whole; numbers that are easy to add up.
class Report : public test::Fusing {
 protected:
  Report() {
    write_delta(
        {{kGate, "BF16", "[5,4]", bf16_bytes(20, 8)}, {kDown, "BF16", "[4,6]", bf16_bytes(24, 9)}});
    plan = plan_fuse(settings);
    report.results.matrices.resize(2);
    MatrixResult& gate = report.results.matrices[0];
    gate.counts = {.moved = 16,
                   .changed = 12,
                   .lost = 4,
                   .clamped = 3,
                   .sign_flips = 1,
                   .zero_weights = 2,
                   .nonfinite_kept = 4};
    gate.sums = {4, 5, 1, 8, 4, 0.5};
    MatrixResult& down = report.results.matrices[1];
    down.counts = {.moved = 20, .changed = 5, .lost = 15};
    down.sums = {12, 11, 3, -6, 10, 0.25};
    down.sigma_weight = 0.5;
    down.sigma_delta = 0.25;
    down.alpha_dynamic = 2.0F;
    report.results.bytes_read = 1000;
    report.results.bytes_written = 600;
    report.results.bytes_cloned = 50;
    report.results.notes = {"One file was not treated as asked."};
    report.results.delta_bytes_read = 88;
  }
  [[nodiscard]] bool advises(const std::string& words) const {
    for (const std::string& sentence : fuse_advice(plan, report)) {
      if (sentence.find(words) != std::string::npos) return true;
    }
    return false;
  }
  FusePlan plan{};
  FuseReport report{};
};

TEST_F(Report, AddsUpAllMatrices) {
  const FuseTotals totals = fuse_totals(plan, report);
  EXPECT_EQ(totals.matrices, 2U);
  EXPECT_EQ(totals.elements, 48U);
  EXPECT_EQ(totals.covered, 44U);
  EXPECT_EQ(totals.counts.moved, 36U);
  EXPECT_EQ(totals.counts.changed, 17U);
  EXPECT_EQ(totals.counts.lost, 19U);
  EXPECT_EQ(totals.counts.clamped, 3U);
  EXPECT_EQ(totals.sums.weight2, 16);
  EXPECT_EQ(totals.sums.change, 2);
  EXPECT_EQ(totals.sums.max_change, 0.5);
}

TEST_F(Report, AddsUpOneRoleOrKind) {
  const Role role = Role::kDown;
  const FuseTotals down = fuse_totals(plan, report, &role);
  EXPECT_EQ(down.matrices, 1U);
  EXPECT_EQ(down.counts.moved, 20U);
  const LayerKind global = LayerKind::kGlobal;
  const LayerKind sliding = LayerKind::kSliding;
  EXPECT_EQ(fuse_totals(plan, report, nullptr, &global).matrices, 2U);
  EXPECT_EQ(fuse_totals(plan, report, &role, &sliding).matrices, 0U);
}

TEST_F(Report, OfADryRunHasNoResults) {
  const FuseReport dry{.dry_run = true};
  EXPECT_EQ(fuse_totals(plan, dry).covered, 44U);
  EXPECT_EQ(fuse_totals(plan, dry).counts.moved, 0U);
  const auto document = fuse_document(plan, dry);
  EXPECT_EQ(document["dry_run"], true);
  EXPECT_EQ(document["matrices"][0]["covered"], 20);
  EXPECT_FALSE(document["matrices"][0].contains("moved"));
  EXPECT_EQ(document["bytes"]["read"], planned_bytes(plan).read);
  EXPECT_EQ(document["bytes"]["delta_read"], planned_bytes(plan).delta_read);
}

TEST_F(Report, GivesEachMatrixItsQuotients) {
  const auto document = fuse_document(plan, report);
  const auto& gate = document["matrices"][0];
  EXPECT_EQ(gate["name"], kGate);
  EXPECT_EQ(gate["role"], "gate");
  EXPECT_FALSE(gate.contains("alpha_dynamic"));
  EXPECT_EQ(gate["drift"], 0.5);                         // √(1 / 4)
  EXPECT_EQ(gate["mean_shift"], 0.5);                    // 8 over the 20 − 4 that are finite
  EXPECT_EQ(gate["lost_rate"], 0.25);                    // 4 / 16
  EXPECT_DOUBLE_EQ(gate["cosine"], 0.8944271909999159);  // 4 / √20
  const auto& down = document["matrices"][1];
  EXPECT_EQ(down["alpha_dynamic"], 2.0);
  EXPECT_EQ(down["sigma_weight"], 0.5);
  EXPECT_EQ(down["sigma_delta"], 0.25);
  EXPECT_EQ(down["mean_shift"], -0.25);
  EXPECT_FALSE(down.contains("skipped"));
  EXPECT_EQ(document["totals"]["drift"], 0.5);  // √(4 / 16)
  EXPECT_EQ(document["totals"]["lost"], 19);
  EXPECT_EQ(document["bytes"]["read"], 1000);
  EXPECT_EQ(document["bytes"]["written"], 600);
  EXPECT_EQ(document["bytes"]["cloned"], 50);
  EXPECT_TRUE(advises("not treated as asked"));
  EXPECT_EQ(document["coverage"]["partial"], nlohmann::ordered_json({kGate}));
}

TEST_F(Report, AQuotientOverZeroIsNull) {
  report.results.matrices[1] = {};
  report.results.matrices[1].delta_is_zero = true;
  const auto down = fuse_document(plan, report)["matrices"][1];
  EXPECT_EQ(down["skipped"], "delta is zero");
  for (const char* key :
       {"sigma_weight", "sigma_delta", "alpha_dynamic", "drift", "cosine", "lost_rate"}) {
    EXPECT_TRUE(down[key].is_null()) << key;
  }
}

TEST_F(Report, GivesGammaAsTheNumberThatWasUsed) {
  plan.settings.parameters.gamma_cap = 0.1;
  EXPECT_EQ(fuse_document(plan, report)["parameters"]["gamma_cap"], static_cast<double>(0.1F));
}

TEST_F(Report, AdvisesOnLostEditsOfTheRoleThatLostThem) {
  EXPECT_TRUE(advises("75.0 % of the edits of down were lost to rounding"));
  EXPECT_TRUE(advises("larger --alpha"));
  EXPECT_FALSE(advises("edits of gate"));
  report.results.matrices[1].counts.lost = 10;  // half is not most
  EXPECT_FALSE(advises("lost to rounding"));
  report.results.matrices[0].counts.lost = 16;
  EXPECT_TRUE(advises("100.0 % of the edits of gate"));
  EXPECT_TRUE(advises("larger --gamma-cap"));
  report.results.matrices[0].counts = {};
  EXPECT_FALSE(advises("lost to rounding"));  // nothing moved, nothing lost
}

TEST_F(Report, AdvisesOnAGammaAboveEveryDelta) {
  EXPECT_FALSE(advises("No gate delta exceeds"));
  report.results.matrices[0].counts.clamped = 0;
  EXPECT_TRUE(advises("No gate delta exceeds --gamma-cap 0.05"));
}

TEST_F(Report, AdvisesOnPartialCoverageEvenOfADryRun) {
  EXPECT_TRUE(advises("covered in part only"));
  report.dry_run = true;
  EXPECT_TRUE(advises("covered in part only"));
  EXPECT_FALSE(advises("lost to rounding"));
  plan.partial.clear();
  plan.base.notes = {"Experts stay."};
  EXPECT_EQ(fuse_advice(plan, report), std::vector<std::string>{"Experts stay."});
}

}  // namespace
}  // namespace contourfuse
