// Running a plan: the job that a backend gets, the folder that is published, and what stops it.
#include "contourfuse/fusion/fuse.hpp"

#include <gtest/gtest.h>

#include <tuple>

#include <iterator>
#include <stdexcept>
#include <utility>

#include "contourfuse/fusion/manifest.hpp"
#include "fusion/fusing.hpp"
#include "support/error_of.hpp"

namespace contourfuse {
namespace {

using test::bf16_bytes;
using test::CopyingBackend;
using test::kDown;
using test::kGate;
namespace fs = std::filesystem;

class RunFuse : public test::Fusing {
 protected:
  RunFuse() { settings.durability = Durability::kNone; }
  /// Files and folders beside the inputs.
  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()));
  }
  CopyingBackend backend{};
};

TEST_F(RunFuse, HandsTheBackendThePlansNumbers) {
  write_delta(
      {{kGate, "BF16", "[6,4]", bf16_bytes(24, 8)}, {kDown, "BF16", "[4,5]", bf16_bytes(20, 9)}});
  settings.parameters = {.alpha = 0.75,
                         .gamma_cap = 0.1,
                         .variance_norm = VarianceNorm::kUnit,
                         .rounding = Rounding::kStochastic,
                         .rounding_seed = 0xFFFFFFFFFFFFFFFFU,
                         .nonfinite = NonFinite::kKeep};
  settings.read_method = ReadMethod::kMmap;
  run_fuse(plan_fuse(settings), backend, {});
  EXPECT_EQ(backend.numbers.alpha, 0.75);
  EXPECT_EQ(backend.numbers.gamma, 0.1F);
  EXPECT_EQ(backend.numbers.alpha_rule, AlphaRule::kInverseSigma);
  EXPECT_TRUE(backend.numbers.stochastic);
  EXPECT_EQ(backend.numbers.rounding_seed, 0xFFFFFFFFFFFFFFFFU);
  EXPECT_TRUE(backend.numbers.keep_nonfinite);
  EXPECT_EQ(backend.read_method, ReadMethod::kMmap);
  EXPECT_FALSE(backend.write_direct);
  EXPECT_FALSE(backend.durable);
  ASSERT_EQ(backend.matrices.size(), 2U);
  EXPECT_EQ(backend.matrices[0].name, kGate);
  EXPECT_EQ(backend.matrices[0].role, ScfRole::kGate);
  EXPECT_EQ(backend.matrices[1].name, kDown);
  EXPECT_EQ(backend.matrices[1].role, ScfRole::kDown);
  EXPECT_EQ(backend.matrices[1].shard, 1U);
  EXPECT_EQ(backend.matrices[1].rows, 4U);
  EXPECT_EQ(backend.matrices[1].cols, 6U);
  EXPECT_EQ(backend.matrices[1].covered_cols, 5U);
  EXPECT_EQ(backend.deltas, (std::vector<std::string>{bf16_bytes(24, 8), bf16_bytes(20, 9)}));
}

TEST_F(RunFuse, ReadsPastTheCacheWhereItWritesSo) {
  write_whole_delta();
  for (const auto& [method, direct, expected] :
       {std::tuple{ReadMethod::kAuto, false, ReadMethod::kPread},
        std::tuple{ReadMethod::kAuto, true, ReadMethod::kDirect},
        std::tuple{ReadMethod::kPread, true, ReadMethod::kPread},
        std::tuple{ReadMethod::kDirect, false, ReadMethod::kDirect}}) {
    settings.read_method = method;
    settings.direct = direct;
    recompute(plan_fuse(settings), backend, {});
    EXPECT_EQ(backend.read_method, expected);
    EXPECT_EQ(backend.write_direct, direct);
  }
}

TEST_F(RunFuse, KnowsWhereAStoredDeltaLies) {
  write_whole_delta();
  const FusePlan plan = plan_fuse(settings);
  for (const PlannedMatrix& matrix : plan.matrices) {
    const auto reader = plan.delta.reader(*plan.base.find_layer(matrix.layer), matrix.role);
    const auto place = reader->place();
    ASSERT_TRUE(place);
    std::vector<std::byte> elements(48);
    std::vector<std::byte> bytes(48);
    reader->read(0, elements);
    place->file->read(place->offset, bytes);
    EXPECT_EQ(elements, bytes);
  }
}

TEST_F(RunFuse, GivesEachNormItsRule) {
  write_whole_delta();
  for (const auto& [norm, rule] : {std::pair{VarianceNorm::kMatch, AlphaRule::kSigmaRatio},
                                   std::pair{VarianceNorm::kUnit, AlphaRule::kInverseSigma},
                                   std::pair{VarianceNorm::kNone, AlphaRule::kPlain}}) {
    settings.parameters.variance_norm = norm;
    recompute(plan_fuse(settings), backend, {});
    EXPECT_EQ(backend.numbers.alpha_rule, rule);
    EXPECT_FALSE(backend.had_target);
  }
  EXPECT_FALSE(fs::exists(settings.output));
}

TEST_F(RunFuse, PublishesShardsSideFilesAndManifest) {
  write_whole_delta();
  settings.model_card = false;
  const FuseReport report = run_fuse(plan_fuse(settings), backend, {});
  EXPECT_TRUE(backend.had_target);
  EXPECT_FALSE(report.dry_run);
  EXPECT_GE(report.seconds, 0);
  std::size_t same = 0;
  for (const auto& entry : fs::recursive_directory_iterator(base())) {
    if (!entry.is_regular_file()) continue;
    const fs::path copy = settings.output / fs::relative(entry.path(), base());
    EXPECT_EQ(test::read_bytes(copy), test::read_bytes(entry.path())) << copy;
    ++same;
  }
  EXPECT_EQ(same, 6U);
  EXPECT_TRUE(fs::exists(settings.output / kManifestName));
  EXPECT_EQ(entries(), 3U);  // base, delta, out; no partial folder
}

TEST_F(RunFuse, MarksTheModelCardUnlessAskedNotTo) {
  write_whole_delta();
  run_fuse(plan_fuse(settings), backend, {});
  const std::string card = test::read_bytes(settings.output / "README.md");
  EXPECT_NE(card, "# Tiny\n");
  EXPECT_NE(card.find("# Tiny\n"), std::string::npos);
}

TEST_F(RunFuse, PublishesNothingWhenTheBackendFails) {
  write_whole_delta();
  backend.on_run = [] { throw std::runtime_error("broken"); };
  EXPECT_THROW(run_fuse(plan_fuse(settings), backend, {}), std::runtime_error);
  EXPECT_FALSE(fs::exists(settings.output));
  EXPECT_EQ(entries(), 2U);
}

TEST_F(RunFuse, KeepsTheOldOutputWhenItFails) {
  write_whole_delta();
  test::write_bytes(settings.output / "precious", "old");
  settings.overwrite = true;
  backend.on_run = [] { throw std::runtime_error("broken"); };
  EXPECT_THROW(run_fuse(plan_fuse(settings), backend, {}), std::runtime_error);
  EXPECT_EQ(test::read_bytes(settings.output / "precious"), "old");
  backend.on_run = {};
  run_fuse(plan_fuse(settings), backend, {});
  EXPECT_FALSE(fs::exists(settings.output / "precious"));
  EXPECT_TRUE(fs::exists(settings.output / kManifestName));
  EXPECT_EQ(entries(), 3U);
}

TEST_F(RunFuse, PublishesNothingWhenCancelled) {
  write_whole_delta();
  Cancellation cancellation;
  backend.on_run = [&] { cancellation.request(); };
  const Error error = test::error_of(
      [&] { run_fuse(plan_fuse(settings), backend, {.cancellation = &cancellation}); });
  EXPECT_EQ(error.kind(), "interrupted");
  EXPECT_FALSE(fs::exists(settings.output));
  EXPECT_EQ(entries(), 3U);  // and what --resume goes on from
}

TEST_F(RunFuse, RefusesABaseThatChangedMeanwhile) {
  write_whole_delta();
  backend.on_run = [&] {
    fs::resize_file(base() / test::kShard2, fs::file_size(base() / test::kShard2) + 1);
  };
  const FusePlan plan = plan_fuse(settings);
  const Error error = test::error_of([&] { run_fuse(plan, backend, {}); });
  EXPECT_EQ(error.kind(), "base-changed");
  EXPECT_EQ(error.place().file, (base() / test::kShard2).string());
  EXPECT_EQ(entries(), 2U);
}

}  // namespace
}  // namespace contourfuse
