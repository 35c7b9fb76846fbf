// Bytes that are moved, and nothing else.
#include "contourfuse/measure/traffic.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <random>

#include "contourfuse/core/error.hpp"
#include "fusion/fusing.hpp"

namespace contourfuse {
namespace {

using test::read_bytes;
using test::write_bytes;

std::string random_bytes(std::size_t count) {
  std::mt19937 random(static_cast<unsigned>(count));
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

const std::vector<TrafficSettings> kEveryWay = {
    {.durable = true},
    {.durable = false, .read_method = ReadMethod::kMmap},
    {.durable = true, .read_method = ReadMethod::kDirect, .write_direct = true},
};

class Traffic : public test::Fusing {
 protected:
  /// Files larger than any piece, at the edge of a block, empty, and in a folder below.
  Traffic() {
    write_bytes(from() / "large", random_bytes((std::size_t{9} << 20) + 12345));
    write_bytes(from() / "block", random_bytes(4096));
    write_bytes(from() / "none", "");
    write_bytes(from() / "below" / "small", "x");
  }
  [[nodiscard]] std::filesystem::path from() const { return folder.path() / "from"; }
  [[nodiscard]] std::filesystem::path to() const { return folder.path() / "to"; }
};

TEST_F(Traffic, CopiesEveryFileInEveryWay) {
  for (const TrafficSettings& way : kEveryWay) {
    copy_folder(from(), to(), way, {.threads = 3});
    for (const char* name : {"large", "block", "none", "below/small"}) {
      EXPECT_TRUE(read_bytes(to() / name) == read_bytes(from() / name)) << name;
    }
    EXPECT_EQ(bytes_in(to()), bytes_in(from()));
    std::filesystem::remove_all(to());
  }
}

TEST_F(Traffic, ReadsWithoutATrace) {
  const std::string before = read_bytes(from() / "large");
  for (const TrafficSettings& way : kEveryWay) {
    read_folders({from(), base()}, way, {.threads = 2});
  }
  EXPECT_TRUE(read_bytes(from() / "large") == before);
  std::filesystem::remove(from() / "large");
  EXPECT_THROW(read_folders({folder.path() / "missing"}, {}, {}), std::exception);
}

TEST_F(Traffic, WritesFilesOfTheSameSizes) {
  for (const TrafficSettings& way : kEveryWay) {
    write_folder(from(), to(), way, {.threads = 2});
    for (const char* name : {"large", "block", "none", "below/small"}) {
      EXPECT_EQ(std::filesystem::file_size(to() / name), std::filesystem::file_size(from() / name));
    }
    std::filesystem::remove_all(to());
  }
}

TEST_F(Traffic, MovesTheShardsOfAFuseAsTheyAre) {
  write_whole_delta();
  const FusePlan plan = plan_fuse(settings);
  for (const TrafficSettings& way : kEveryWay) {
    move_as_fuse(plan, to(), way, {.threads = 2});
    for (const Shard& shard : plan.base.shards) {
      EXPECT_TRUE(read_bytes(to() / shard.file) == read_bytes(base() / shard.file)) << shard.file;
    }
    std::filesystem::remove_all(to());
  }
}

class MovedBytes final : public Progress {
 public:
  void advance(std::uint64_t bytes) override { total += bytes; }
  std::atomic<std::uint64_t> total{0};
};

TEST_F(Traffic, MovesAsManyBytesAsAFuseOfThePlan) {
  write_whole_delta();
  for (const VarianceNorm norm : {VarianceNorm::kMatch, VarianceNorm::kNone}) {
    settings.parameters.variance_norm = norm;
    const FusePlan plan = plan_fuse(settings);
    MovedBytes moved;
    move_as_fuse(plan, to(), {}, {.threads = 2, .progress = &moved});
    EXPECT_EQ(moved.total, bytes_moved_as_fuse(plan));
    std::filesystem::remove_all(to());
  }
}

TEST_F(Traffic, ReadsEveryStoredDeltaOfAFuse) {
  write_whole_delta();
  const FusePlan plan = plan_fuse(settings);
  std::filesystem::resize_file(delta() / "delta.safetensors",
                               std::filesystem::file_size(delta() / "delta.safetensors") - 1);
  EXPECT_THROW(move_as_fuse(plan, to(), {}, {.threads = 2}), Error);
}

}  // namespace
}  // namespace contourfuse
