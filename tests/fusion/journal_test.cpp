// Journals: every value comes back bit for bit, and what is torn or damaged does not count.
#include "contourfuse/fusion/journal.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "fusion/fusing.hpp"
#include "fusion/tiny_checkpoint.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;
using test::error_of;

MatrixResult odd_numbers() {
  MatrixResult matrix;
  matrix.sigma_weight = 0.1 + 0.2;
  matrix.alpha_dynamic = std::numeric_limits<float>::denorm_min();
  matrix.delta_is_zero = true;
  matrix.counts = {.moved = std::numeric_limits<std::uint64_t>::max(),
                   .changed = (std::uint64_t{1} << 53) + 1,
                   .lost = 3,
                   .clamped = 4,
                   .sign_flips = 5,
                   .zero_weights = 6,
                   .nonfinite_kept = 7};
  matrix.sums = {.weight2 = 1e300,
                 .out2 = std::numeric_limits<double>::denorm_min(),
                 .change2 = 1.0 / 3,
                 .change = -0.0,
                 .weight_out = -1e-200,
                 .max_change = 2};
  matrix.weight_hash = std::string(32, 'a');
  return matrix;
}

void expect_same(const MatrixResult& a, const MatrixResult& b) {
  EXPECT_EQ(a.sigma_weight, b.sigma_weight);
  EXPECT_EQ(a.sigma_delta, b.sigma_delta);
  EXPECT_EQ(a.alpha_dynamic, b.alpha_dynamic);
  EXPECT_EQ(a.delta_is_zero, b.delta_is_zero);
  EXPECT_EQ(a.counts.moved, b.counts.moved);
  EXPECT_EQ(a.counts.changed, b.counts.changed);
  EXPECT_EQ(a.counts.lost, b.counts.lost);
  EXPECT_EQ(a.counts.clamped, b.counts.clamped);
  EXPECT_EQ(a.counts.sign_flips, b.counts.sign_flips);
  EXPECT_EQ(a.counts.zero_weights, b.counts.zero_weights);
  EXPECT_EQ(a.counts.nonfinite_kept, b.counts.nonfinite_kept);
  EXPECT_EQ(a.sums.weight2, b.sums.weight2);
  EXPECT_EQ(a.sums.out2, b.sums.out2);
  EXPECT_EQ(a.sums.change2, b.sums.change2);
  EXPECT_EQ(a.sums.change, b.sums.change);
  EXPECT_EQ(std::signbit(a.sums.change), std::signbit(b.sums.change));
  EXPECT_EQ(a.sums.weight_out, b.sums.weight_out);
  EXPECT_EQ(a.sums.max_change, b.sums.max_change);
  EXPECT_EQ(a.weight_hash, b.weight_hash);
  EXPECT_EQ(a.delta_hash, b.delta_hash);
}

class Journals : public testing::Test {
 protected:
  [[nodiscard]] fs::path path() const { return folder.path() / kJournalName; }
  /// The text of a journal with two shards.
  std::string written() {
    {
      Journal journal(folder.path(), run, Durability::kFull);
      journal.add({.file = "a", .result = {"s1", "t1"}, .matrices = {odd_numbers(), {}}});
      journal.add({.file = "b", .result = {"s2", "t2"}});
    }
    return test::read_bytes(path());
  }

  test::TemporaryFolder folder{};
  nlohmann::json run{{"schema", "contourfuse.journal/1"},
                     {"layers", {5, 11}},
                     {"parameters", nlohmann::json::object()}};
};

TEST_F(Journals, GiveEveryNumberBack) {
  const std::string text = written();
  const auto contents = parse_journal(text, "journal");
  ASSERT_TRUE(contents);
  EXPECT_EQ(contents->run, run);
  EXPECT_EQ(contents->bytes, text.size());
  ASSERT_EQ(contents->shards.size(), 2U);
  EXPECT_EQ(contents->shards[0].file, "a");
  EXPECT_EQ(contents->shards[0].result.source_hash, "s1");
  EXPECT_EQ(contents->shards[0].result.target_hash, "t1");
  ASSERT_EQ(contents->shards[0].matrices.size(), 2U);
  expect_same(contents->shards[0].matrices[0], odd_numbers());
  expect_same(contents->shards[0].matrices[1], {});
  EXPECT_EQ(contents->shards[1].file, "b");
}

TEST_F(Journals, CountUpToTheFirstLineThatIsNotWhole) {
  const std::string text = written();
  const std::size_t first = text.find('\n') + 1;
  const std::size_t second = text.find('\n', first) + 1;
  for (std::size_t bytes = 0; bytes <= text.size(); ++bytes) {
    const auto contents = parse_journal(std::string_view(text).substr(0, bytes), "journal");
    ASSERT_EQ(contents.has_value(), bytes >= first) << bytes;
    if (!contents) continue;
    const std::size_t whole = bytes == text.size() ? 2 : bytes >= second ? 1 : 0;
    EXPECT_EQ(contents->shards.size(), whole) << bytes;
    EXPECT_EQ(contents->bytes, whole == 2 ? text.size() : whole == 1 ? second : first) << bytes;
  }
}

TEST_F(Journals, FindAnyFlippedBit) {
  const std::string text = written();
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto contents = parse_journal(flipped, "journal");
    EXPECT_TRUE(!contents || contents->shards.size() < 2) << bit;
  }
}

TEST_F(Journals, GoOnAfterWhatIsWhole) {
  const std::string text = written();
  const std::size_t whole = text.rfind('\n', text.size() - 2) + 1;
  {
    Journal journal(File::open_to_change(path()), whole, Durability::kFull);
    journal.add({.file = "c", .result = {"s3", "t3"}});
  }
  const auto contents = parse_journal(test::read_bytes(path()), "journal");
  ASSERT_TRUE(contents);
  ASSERT_EQ(contents->shards.size(), 2U);
  EXPECT_EQ(contents->shards[1].file, "c");
}

TEST_F(Journals, OfOneShardTheLastLineCounts) {
  {
    Journal journal(folder.path(), run, Durability::kNone);
    journal.add({.file = "a", .result = {"s", "first"}});
    journal.add({.file = "a", .result = {"s", "second"}});
  }
  const auto contents = parse_journal(test::read_bytes(path()), "journal");
  ASSERT_TRUE(contents);
  ASSERT_EQ(contents->shards.size(), 1U);
  EXPECT_EQ(contents->shards[0].result.target_hash, "second");
}

TEST_F(Journals, TakeLinesFromManyThreads) {
  {
    Journal journal(folder.path(), run, Durability::kNone);
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&journal, i] {
        for (int j = 0; j < 50; ++j) journal.add({.file = std::to_string(50 * i + j)});
      });
    }
  }
  const auto contents = parse_journal(test::read_bytes(path()), "journal");
  ASSERT_TRUE(contents);
  EXPECT_EQ(contents->shards.size(), 200U);
}

TEST_F(Journals, RefuseALineThatIsWholeAndMakesNoSense) {
  { Journal journal(folder.path(), {{"schema", "something-else/9"}}, Durability::kNone); }
  const Error error =
      error_of([&] { static_cast<void>(parse_journal(test::read_bytes(path()), "journal")); });
  EXPECT_EQ(error.kind(), "json-field");
  EXPECT_EQ(error.place().file, "journal");
}

TEST_F(Journals, AreLockedWhileTheyAreWritten) {
  {
    const Journal journal(folder.path(), run, Durability::kNone);
    EXPECT_FALSE(File::open(path()).try_lock());
  }
  EXPECT_TRUE(File::open(path()).try_lock());
}

class JournalRuns : public test::Fusing {};

TEST_F(JournalRuns, NameEveryDifference) {
  write_whole_delta();
  const nlohmann::json ours = journal_run(plan_fuse(settings));
  EXPECT_TRUE(run_differences(ours, journal_run(plan_fuse(settings))).empty());

  FuseSettings other = settings;
  other.parameters = {.alpha = 0.75,
                      .gamma_cap = 0.1,
                      .variance_norm = VarianceNorm::kUnit,
                      .rounding = Rounding::kStochastic,
                      .rounding_seed = 3,
                      .nonfinite = NonFinite::kKeep};
  EXPECT_EQ(run_differences(ours, journal_run(plan_fuse(other))),
            (std::vector<std::string>{"alpha 0.02", "gamma_cap 0.05", "nonfinite \"error\"",
                                      "rounding \"nearest\"", "rounding_seed 0",
                                      "variance_norm \"match\""}));
  for (const char* key : {"version", "layers", "base", "delta", "recipe_xxh3_128"}) {
    nlohmann::json changed = ours;
    changed[key] = "other";
    EXPECT_EQ(run_differences(changed, ours).size(), 1U) << key;
    changed.erase(key);
    EXPECT_EQ(run_differences(changed, ours).size(), ours[key].is_null() ? 0U : 1U) << key;
  }
}

TEST_F(JournalRuns, DoNotDependOnWhereTheOutputGoes) {
  write_whole_delta();
  const nlohmann::json ours = journal_run(plan_fuse(settings));
  FuseSettings other = settings;
  other.output = folder.path() / "elsewhere";
  other.overwrite = true;
  other.resume = true;
  other.durability = Durability::kNone;
  other.direct = true;
  EXPECT_EQ(journal_run(plan_fuse(other)), ours);
}

}  // namespace
}  // namespace contourfuse
