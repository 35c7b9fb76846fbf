// What a backend is given and what it hands back: plain data over io, numeric and core.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contourfuse/core/dtype.hpp"
#include "contourfuse/core/execution.hpp"
#include "contourfuse/io/bulk_reader.hpp"
#include "contourfuse/io/clone.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/numeric/delta_tables.hpp"
#include "contourfuse/numeric/moments.hpp"
#include "contourfuse/numeric/record.hpp"
#include "contourfuse/numeric/scaling.hpp"
#include "contourfuse/numeric/scf.hpp"

namespace contourfuse {

/// Where a delta matrix lies: its first element in a file.
struct StoredElements {
  const File* file = nullptr;  ///< not owned; outlives the reader's use
  std::uint64_t offset = 0;
};

/// The elements of one delta matrix, stored or made on the fly. Thread-safe.
class DeltaReader {
 public:
  DeltaReader() = default;
  DeltaReader(const DeltaReader&) = delete;
  DeltaReader& operator=(const DeltaReader&) = delete;
  virtual ~DeltaReader() = default;
  /// Elements [first, first + out.size() / element bytes), row-major in the delta's own shape, in
  /// its dtype.
  /// `out` is aligned for the elements.
  virtual void read(std::uint64_t first, std::span<std::byte> out) const = 0;
  /// No more reads will come: whatever was made for them may go.
  virtual void release() const {}
  /// What the elements are made from; valid until release(). Nothing if they are stored.
  [[nodiscard]] virtual std::optional<DeltaTables> tables() const { return std::nullopt; }
  /// True if reading moves stored bytes, false if the elements are made.
  [[nodiscard]] virtual bool stored() const noexcept = 0;
  /// For backends that read files in their own way; nothing if the elements lie in none.
  [[nodiscard]] virtual std::optional<StoredElements> place() const { return std::nullopt; }
};

/// One matrix to edit.
struct MatrixJob {
  std::string name{};         ///< of the tensor, for errors and for stochastic rounding
  std::string delta_place{};  ///< file or recipe that the delta comes from, for errors
  ScfRole role = ScfRole::kDown;
  std::size_t shard = 0;
  std::uint64_t offset = 0;  ///< byte offset of element (0, 0) in the shard's file
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  std::uint64_t covered_rows = 0;
  std::uint64_t covered_cols = 0;
  DType dtype = DType::kBF16;
  DType delta_dtype = DType::kBF16;
  const DeltaReader* delta = nullptr;  ///< shape [covered_rows, covered_cols]; not owned

  [[nodiscard]] std::uint64_t covered() const noexcept { return covered_rows * covered_cols; }
  [[nodiscard]] bool full_width() const noexcept { return covered_cols == cols; }
};

struct ScfNumbers {
  double alpha = 0;
  float gamma = 0;
  AlphaRule alpha_rule = AlphaRule::kSigmaRatio;
  bool stochastic = false;
  std::uint64_t rounding_seed = 0;
  bool keep_nonfinite = false;
};

/// One file to copy with its matrices edited on the way: bytes [begin, bytes).
struct ShardJob {
  const File* source = nullptr;  ///< not owned
  File* target = nullptr;        ///< not owned; null: compute and hash, write nothing
  std::uint64_t bytes = 0;
  std::uint64_t begin = 0;  ///< above 0 only without a target: hashes are of what was read
  CopyMethod copying = CopyMethod::kWrite;  ///< how what is not edited gets into the target
};

struct MatrixResult {
  std::optional<double> sigma_weight{};  ///< null where the norm does not use it
  std::optional<double> sigma_delta{};
  std::optional<float> alpha_dynamic{};  ///< down
  bool delta_is_zero = false;            ///< left as it is
  RecordCounts counts{};
  RecordSums sums{};
  std::string weight_hash{};  ///< XXH3-128 of the edited tensor, in the output
  std::string delta_hash{};   ///< of the delta's bytes; empty if they are made
};

/// Whether α_dyn of the matrix depends on its moments.
[[nodiscard]] bool needs_moments(const MatrixJob& matrix, const ScfNumbers& numbers) noexcept;
/// Throws Error{kBadInput, "no-spread"} unless `scaling` can be used. `delta` is one of the covered
/// deltas.
void check_scaling(const MatrixJob& matrix, const Scaling& scaling, float delta);
/// Throws Error{kBadInput, "non-finite"} with count and first element if there is any.
void check_finite(const MatrixJob& matrix, const BadElements& bad);
/// The result of a matrix of one or more elements, without its hashes.
[[nodiscard]] MatrixResult matrix_result(const MatrixJob& matrix, const ScfNumbers& numbers,
                                         const Scaling& scaling, const Record& record);

struct ShardResult {
  std::string source_hash{};  ///< XXH3-128 of the base's file
  std::string target_hash{};
};

/// Told of a shard that is whole: every byte of its target written, not yet synced. Called from any
/// of the backend's threads, also at the same time for several shards; what it throws ends the run.
using OnShard = std::function<void(std::size_t shard, const ShardResult& result,
                                   std::span<const MatrixResult> matrices)>;

struct FuseJob {
  std::vector<ShardJob> shards{};
  std::vector<MatrixJob> matrices{};  ///< by shard, then offset
  ScfNumbers numbers{};
  ReadMethod read_method = ReadMethod::kPread;  ///< of sources and stored deltas
  bool write_direct = false;                    ///< past the page cache
  bool durable = true;                          ///< start writeback on the way
  OnShard on_shard{};                           ///< may be empty
};

struct FuseResults {
  std::vector<MatrixResult> matrices{};  ///< as FuseJob::matrices
  std::vector<ShardResult> shards{};
  std::uint64_t bytes_read = 0;     ///< base and delta
  std::uint64_t bytes_written = 0;  ///< by this process
  std::uint64_t bytes_cloned = 0;   ///< that the filesystem took over from the base
  std::uint64_t delta_bytes_read = 0;
  std::vector<std::string> notes{};  ///< sentences about files that were not treated as asked
};

/// Tells where transfers past the page cache were asked for and refused; null: nowhere.
void note_refusals(FuseResults& results, const File* read, const File* written);

class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  /// Copies every shard, editing the matrices; the targets are written whole and not yet synced.
  /// Bytes are written after all reading of them: a target may be its source's own file, with
  /// CopyMethod::kCloned.
  /// Non-finite input or result: Error{kBadInput, "non-finite"} with tensor, count and first
  /// element. Equal non-zero deltas under a norm: Error{kBadInput, "no-spread"}.
  virtual FuseResults run(const FuseJob& job, const Execution& execution) = 0;
};

}  // namespace contourfuse
