// Adding up what an output takes on disk.
#include "fusion/room.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "contourfuse/io/clone.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/free_space.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

/// Bounds of what stands in journal, manifest and model card together: of a matrix, of a file, and
/// beside those.
constexpr std::uint64_t kMatrixBytes = 3072;
constexpr std::uint64_t kFileBytes = 1024;
constexpr std::uint64_t kDocumentBytes = 32768;

bool is_kept(const Shard& shard, const std::vector<FinishedShard>& kept) {
  return std::ranges::find(kept, shard.file, &FinishedShard::file) != kept.end();
}

std::uint64_t side_file_bytes(const FusePlan& plan) {
  std::uint64_t bytes = kDocumentBytes + plan.matrices.size() * kMatrixBytes +
                        (plan.base.shards.size() + plan.base.side_files.size()) * kFileBytes;
  for (const fs::path& file : plan.base.side_files) {
    std::error_code failure;
    const std::uintmax_t size = fs::file_size(plan.base.folder / file, failure);
    if (!failure) bytes += block_bytes(size);
  }
  return bytes;
}

std::uint64_t shard_bytes(const FusePlan& plan, const std::vector<FinishedShard>& kept) {
  std::uint64_t bytes = 0;
  for (const Shard& shard : plan.base.shards) {
    if (!is_kept(shard, kept)) bytes += block_bytes(shard.header.file_bytes());
  }
  return bytes;
}

/// What is written of shards that begin as clones.
std::uint64_t edited_bytes(const FusePlan& plan, const std::vector<FinishedShard>& kept) {
  std::uint64_t bytes = 0;
  for (const PlannedMatrix& matrix : plan.matrices) {
    if (!is_kept(plan.base.shards[matrix.shard], kept)) bytes += block_bytes(written_bytes(matrix));
  }
  return bytes;
}

bool can_clone_shards(const FusePlan& plan, const std::vector<FinishedShard>& kept) {
  fs::path output = fs::absolute(plan.settings.output);
  if (!output.has_filename()) output = output.parent_path();
  const fs::path folder = output.parent_path();
  return std::ranges::all_of(plan.base.shards, [&](const Shard& shard) {
    return is_kept(shard, kept) || can_clone(File::open(plan.base.folder / shard.file), folder);
  });
}

}  // namespace

void require_room(const FusePlan& plan, const std::vector<FinishedShard>& kept, std::uint64_t held,
                  Failure failure) {
  const fs::path& output = plan.settings.output;
  const std::uint64_t side_files = side_file_bytes(plan);
  std::uint64_t bytes = side_files + shard_bytes(plan, kept);
  bytes -= std::min(bytes, held);
  if (has_space(output, bytes)) return;
  if (can_clone_shards(plan, kept)) bytes = side_files + edited_bytes(plan, kept);
  require_space(output,
                {.what = kept.empty() && held == 0 ? "the output" : "the rest of the output",
                 .bytes = bytes,
                 .hint = "free space on this filesystem, or write to another one; "
                         "--in-place needs room for what changes only",
                 .failure = failure});
}

}  // namespace contourfuse
