// Pieces that pass in any order from any thread, and the hashes, files and results of it.
#include "contourfuse/fusion/shard_passages.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "fusion/tiny_checkpoint.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

constexpr std::uint64_t kPiece = 1000;
constexpr std::uint64_t kPieces = 9;

std::string hash_of(std::string_view bytes) {
  Hash128 hash;
  hash.update(std::as_bytes(std::span(bytes)));
  return hash.hex();
}

/// What a backend holds while it runs a job.
struct Running {
  explicit Running(const FuseJob& job)
      : readers(job.read_method), finished(job, results), passages(job, readers, finished) {}
  FuseResults results{};
  BulkReaders readers;
  FinishedShards finished;
  ShardPassages passages;
};

/// A job of one shard of nine pieces, written to a file.
class Passages : public testing::Test {
 protected:
  Passages() {
    for (std::uint64_t i = 0; i < kPieces * kPiece; ++i) {
      content += static_cast<char>('a' + i * i % 23);
    }
    folder.write("source", content);
    source.emplace(File::open(folder / "source"));
    target.emplace(File::create(folder / "target"));
    job.shards = {{.source = &*source, .target = &*target, .bytes = content.size()}};
    job.on_shard = [this](std::size_t shard, const ShardResult& result, auto) {
      finished.push_back(shard);
      EXPECT_EQ(result.source_hash, hash_of(content));
    };
  }

  /// The bytes of a piece; an edited one differs in one of them.
  [[nodiscard]] std::string piece(std::uint64_t ticket, bool edited) const {
    std::string bytes = content.substr(ticket * kPiece, kPiece);
    if (edited) bytes[7] = 'X';
    return bytes;
  }

  void pass(ShardPassages& passages, std::uint64_t ticket, bool edited) const {
    const std::string read = piece(ticket, false);
    passages.pass_source(0, ticket, std::as_bytes(std::span(read)));
    std::string bytes = piece(ticket, edited);
    const auto out = std::as_writable_bytes(std::span(bytes));
    if (BulkWriter* to = passages.target(0)) to->write(ticket * kPiece, out);
    passages.pass_target(0, ticket, (ticket + 1) * kPiece, out, [] {});
  }

  /// From three threads, each with every third piece.
  void pass_all(ShardPassages& passages, bool edited) const {
    std::vector<std::thread> threads;
    for (std::uint64_t first = 0; first < 3; ++first) {
      threads.emplace_back([&, first] {
        for (std::uint64_t ticket = first; ticket < kPieces; ticket += 3) {
          pass(passages, ticket, edited);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  test::TemporaryFolder folder{};
  std::string content{};
  std::optional<File> source{};
  std::optional<File> target{};
  FuseJob job{};
  std::vector<std::size_t> finished{};
};

TEST_F(Passages, HashInTheOrderOfTheFileWhicheverThreadComesFirst) {
  job.matrices = {{.name = "edited"}};
  Running run(job);
  pass_all(run.passages, true);
  EXPECT_TRUE(finished.empty());  // its matrix is not done
  run.finished.add_matrix(0, {});
  EXPECT_EQ(finished, std::vector<std::size_t>{0});

  std::string edited;
  for (std::uint64_t ticket = 0; ticket < kPieces; ++ticket) edited += piece(ticket, true);
  EXPECT_EQ(test::read_bytes(folder / "target"), edited);
  EXPECT_EQ(run.results.shards[0].source_hash, hash_of(content));
  EXPECT_EQ(run.results.shards[0].target_hash, hash_of(edited));
  run.passages.add_transfers(run.results);
  EXPECT_EQ(run.results.bytes_written, content.size());
  EXPECT_EQ(run.results.bytes_cloned, 0U);
}

TEST_F(Passages, AShardThatIsNotEditedHasTheHashOfItsSource) {
  Running run(job);
  pass_all(run.passages, false);
  EXPECT_EQ(finished, std::vector<std::size_t>{0});
  EXPECT_EQ(run.results.shards[0].target_hash, hash_of(content));
}

TEST_F(Passages, WriteNothingWithoutATarget) {
  job.shards[0].target = nullptr;
  job.matrices = {{.name = "edited"}};
  Running run(job);
  EXPECT_EQ(run.passages.target(0), nullptr);
  pass_all(run.passages, true);
  run.finished.add_matrix(0, {});
  EXPECT_NE(run.results.shards[0].target_hash, run.results.shards[0].source_hash);
  run.passages.add_transfers(run.results);
  EXPECT_EQ(run.results.bytes_written, 0U);
}

TEST_F(Passages, CallWhatComesAlongInTheSameOrder) {
  Running run(job);
  std::vector<std::uint64_t> order;
  std::vector<std::thread> threads;
  for (std::uint64_t back = 0; back < kPieces; ++back) {
    threads.emplace_back([&, ticket = kPieces - 1 - back] {
      run.passages.pass_target(0, ticket, ticket + 1, {}, [&] { order.push_back(ticket); });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(order, (std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST_F(Passages, FinishShardsWithoutBytesAtOnce) {
  content.clear();
  folder.write("empty", "");
  source.emplace(File::open(folder / "empty"));
  job.shards[0].bytes = 0;
  Running run(job);
  run.passages.finish_empty();
  EXPECT_EQ(finished, std::vector<std::size_t>{0});
  EXPECT_EQ(run.results.shards[0].target_hash, hash_of(""));
}

TEST_F(Passages, ThrowAtThoseWhoWaitWhenTheyAreAbandoned) {
  Running run(job);
  int thrown = 0;
  std::thread waiting([&] {
    try {
      pass(run.passages, 5, false);
    } catch (const Abandoned&) {
      ++thrown;
    }
  });
  run.passages.abandon();
  waiting.join();
  EXPECT_EQ(thrown, 1);
  EXPECT_THROW(run.passages.pass_target(0, 0, kPiece, {}, [] {}), Abandoned);
  EXPECT_TRUE(finished.empty());
}

}  // namespace
}  // namespace contourfuse
