// Comparing two checkpoints range by range, with sums by the moment scheme.
#include "contourfuse/fusion/diff.hpp"

#include <fmt/format.h>
#include <tbb/enumerable_thread_specific.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <system_error>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/core/instruction_level.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/safetensors.hpp"
#include "contourfuse/model/checkpoint.hpp"
#include "contourfuse/numeric/moments.hpp"
#include "fusion/diff_kernels.hpp"

namespace contourfuse {

namespace kernels_baseline {
DiffKernels diff_kernels();
}
#if defined(CONTOURFUSE_X86_LEVELS)
namespace kernels_v3 {
DiffKernels diff_kernels();
}
namespace kernels_v4 {
DiffKernels diff_kernels();
}
#endif

const DiffKernels& best_diff_kernels() noexcept {
  static const DiffKernels best = [] {
#if defined(CONTOURFUSE_X86_LEVELS)
    const InstructionLevel level = processor_level();
    if (level >= InstructionLevel::kX86V4) return kernels_v4::diff_kernels();
    if (level >= InstructionLevel::kX86V3) return kernels_v3::diff_kernels();
#endif
    return kernels_baseline::diff_kernels();
  }();
  return best;
}

namespace {

namespace fs = std::filesystem;

/// One of the two checkpoints: its open files and where each tensor lies.
class Side {
 public:
  struct Stored {
    const File* file = nullptr;
    std::uint64_t offset = 0;  ///< of its first byte in the file
    TensorInfo tensor{};
  };

  explicit Side(const std::string& where) {
    std::error_code ignored;
    if (fs::exists(where, ignored) && !fs::is_directory(where, ignored)) {
      add(where, read_safetensors_header(where));
      return;
    }
    const Checkpoint checkpoint = open_checkpoint(where);
    for (const Shard& shard : checkpoint.shards) add(checkpoint.folder / shard.file, shard.header);
    // Where an index places a tensor that two shards hold.
    for (auto& [name, stored] : tensors_) {
      if (const auto found = checkpoint.find(name)) {
        const Shard& shard = checkpoint.shards[found->first];
        stored = {&files_.at(shard.file), shard.header.file_range(*found->second).begin,
                  *found->second};
      }
    }
  }

  [[nodiscard]] const std::map<std::string, Stored>& tensors() const noexcept { return tensors_; }

 private:
  void add(const fs::path& path, const SafetensorsHeader& header) {
    const File& file = files_.emplace(path.filename().string(), File::open(path)).first->second;
    for (const TensorInfo& tensor : header.tensors()) {
      tensors_.emplace(tensor.name, Stored{&file, header.file_range(tensor).begin, tensor});
    }
  }

  std::map<std::string, File> files_{};
  std::map<std::string, Stored> tensors_{};
};

/// kRangeElements (or what is left) of a tensor that both sides hold.
struct Range {
  std::size_t tensor = 0;  ///< index into the pairs
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::uint64_t changed = 0;
  DiffSums sums{};
};

struct Pair {
  std::size_t diff = 0;  ///< index into the report's tensors
  const Side::Stored* a = nullptr;
  const Side::Stored* b = nullptr;
  std::uint64_t bits = 0;
  std::size_t first_range = 0;
  std::size_t ranges = 0;
};

/// kRangeElements of up to 64 bits.
struct Buffers {
  std::vector<std::byte> a{};
  std::vector<std::byte> b{};
};

std::span<const std::byte> read_range(const Side::Stored& stored, const Range& range,
                                      std::uint64_t bits, std::vector<std::byte>& buffer) {
  const std::uint64_t bytes = range.count * bits / 8;
  if (buffer.size() < bytes) buffer.resize(bytes);
  const std::span out = std::span(buffer).first(bytes);
  stored.file->read(stored.offset + range.first * bits / 8, out);
  return out;
}

/// Elements of 4 or 6 bits that differ; least significant bits first, as packed formats store them.
std::uint64_t count_changed_packed(std::uint64_t bits, std::span<const std::byte> a,
                                   std::span<const std::byte> b, std::uint64_t count) {
  const auto element = [bits](std::span<const std::byte> bytes, std::uint64_t index) {
    const std::uint64_t at = index * bits;
    std::uint32_t word = std::to_integer<std::uint32_t>(bytes[at / 8]);
    if (at / 8 + 1 < bytes.size()) word |= std::to_integer<std::uint32_t>(bytes[at / 8 + 1]) << 8;
    return (word >> (at % 8)) & ((1U << bits) - 1);
  };
  std::uint64_t changed = 0;
  for (std::uint64_t i = 0; i < count; ++i) changed += element(a, i) != element(b, i) ? 1U : 0U;
  return changed;
}

void compare(const Pair& pair, Range& range, Buffers& buffers) {
  const std::span a = read_range(*pair.a, range, pair.bits, buffers.a);
  const std::span b = read_range(*pair.b, range, pair.bits, buffers.b);
  if (std::memcmp(a.data(), b.data(), a.size()) == 0) return;
  const DiffKernels& kernels = best_diff_kernels();
  const DType dtype = pair.a->tensor.dtype;
  range.changed = pair.bits < 8 ? count_changed_packed(pair.bits, a, b, range.count)
                                : kernels.count_changed(pair.bits, a.data(), b.data(), range.count);
  if (is_editable(dtype)) range.sums = kernels.sums(dtype, a.data(), b.data(), range.count);
}

/// Nothing for what JSON has no number for.
std::optional<double> if_finite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

void finish(TensorDiff& diff, std::span<Range> ranges) {
  std::vector<DiffSums> sums;
  sums.reserve(ranges.size());
  for (const Range& range : ranges) {
    diff.changed += range.changed;
    sums.push_back(range.sums);
  }
  if (diff.changed != 0) diff.difference = TensorDifference::kChanged;
  if (!is_editable(diff.dtype_a)) return;
  if (diff.changed == 0) {
    diff.drift = 0;
    diff.cosine = 1;
    diff.max_change = 0;
    return;
  }
  const DiffSums total = fold_pairwise(sums.data(), sums.size());
  // 0/0 and x/0 are not finite.
  diff.drift = if_finite(std::sqrt(total.change2 / total.a2));
  diff.cosine = if_finite(total.product / std::sqrt(total.a2 * total.b2));
  // A NaN among the changes is in their squares, and in no maximum.
  if (std::isfinite(total.change2)) diff.max_change = total.max_change;
}

void count(DiffReport& report, const TensorDiff& diff) {
  switch (diff.difference) {
    case TensorDifference::kSame:
      ++report.same;
      break;
    case TensorDifference::kChanged:
      ++report.changed;
      break;
    case TensorDifference::kOnlyInA:
      ++report.only_in_a;
      break;
    case TensorDifference::kOnlyInB:
      ++report.only_in_b;
      break;
    case TensorDifference::kReshaped:
      ++report.reshaped;
      break;
  }
}

TensorDiff describe(const std::string& name, const Side::Stored* a, const Side::Stored* b) {
  TensorDiff diff;
  diff.name = name;
  if (a != nullptr) {
    diff.dtype_a = a->tensor.dtype;
    diff.shape_a = a->tensor.shape;
  }
  if (b != nullptr) {
    diff.dtype_b = b->tensor.dtype;
    diff.shape_b = b->tensor.shape;
  }
  if (a == nullptr || b == nullptr) {
    diff.difference = a == nullptr ? TensorDifference::kOnlyInB : TensorDifference::kOnlyInA;
  } else if (diff.dtype_a != diff.dtype_b || diff.shape_a != diff.shape_b) {
    diff.difference = TensorDifference::kReshaped;
  }
  // A checked header's shape has a product.
  diff.elements = element_count(a != nullptr ? diff.shape_a : diff.shape_b).value_or(0);
  return diff;
}

/// Every name of either side once, ascending.
std::vector<TensorDiff> match(const Side& a, const Side& b, std::vector<Pair>& pairs) {
  std::vector<TensorDiff> diffs;
  auto in_a = a.tensors().begin();
  auto in_b = b.tensors().begin();
  while (in_a != a.tensors().end() || in_b != b.tensors().end()) {
    const bool take_a =
        in_b == b.tensors().end() || (in_a != a.tensors().end() && in_a->first <= in_b->first);
    const bool take_b =
        in_a == a.tensors().end() || (in_b != b.tensors().end() && in_b->first <= in_a->first);
    const Side::Stored* stored_a = take_a ? &in_a->second : nullptr;
    const Side::Stored* stored_b = take_b ? &in_b->second : nullptr;
    diffs.push_back(describe(take_a ? in_a->first : in_b->first, stored_a, stored_b));
    if (take_a && take_b && diffs.back().difference == TensorDifference::kSame) {
      pairs.push_back({.diff = diffs.size() - 1,
                       .a = stored_a,
                       .b = stored_b,
                       .bits = dtype_bits(stored_a->tensor.dtype)});
    }
    if (take_a) ++in_a;
    if (take_b) ++in_b;
  }
  return diffs;
}

std::vector<Range> cut_ranges(std::vector<Pair>& pairs, std::span<const TensorDiff> diffs) {
  std::vector<Range> ranges;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    Pair& pair = pairs[i];
    pair.first_range = ranges.size();
    const std::uint64_t elements = diffs[pair.diff].elements;
    for (std::uint64_t first = 0; first < elements; first += kRangeElements) {
      ranges.push_back(
          {.tensor = i, .first = first, .count = std::min(kRangeElements, elements - first)});
    }
    pair.ranges = ranges.size() - pair.first_range;
  }
  return ranges;
}

/// The ranges that are equal, of editable tensors that differ elsewhere: their sums are wanted too.
std::vector<std::size_t> equal_ranges_of_changed_tensors(std::span<const Pair> pairs,
                                                         std::span<const Range> ranges) {
  std::vector<std::size_t> wanted;
  for (const Pair& pair : pairs) {
    const std::span own = ranges.subspan(pair.first_range, pair.ranges);
    const auto differs = [](const Range& range) { return range.changed != 0; };
    if (!is_editable(pair.a->tensor.dtype) || std::ranges::none_of(own, differs)) continue;
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (!differs(own[i])) wanted.push_back(pair.first_range + i);
    }
  }
  return wanted;
}

}  // namespace

DiffReport diff_checkpoints(const std::string& a, const std::string& b, bool all,
                            const Execution& execution) {
  const auto start = std::chrono::steady_clock::now();
  const Side side_a(a);
  const Side side_b(b);
  std::vector<Pair> pairs;
  std::vector<TensorDiff> diffs = match(side_a, side_b, pairs);
  std::vector<Range> ranges = cut_ranges(pairs, diffs);

  DiffReport report;
  const auto range_bytes = [&](const Range& range) {
    return range.count * pairs[range.tensor].bits / 8;
  };
  for (const Range& range : ranges) report.bytes += 2 * range_bytes(range);
  execution.begin("diff", report.bytes);
  tbb::task_arena arena(execution.thread_count());
  arena.execute([&] {
    tbb::enumerable_thread_specific<Buffers> buffers;
    tbb::parallel_for(std::size_t{0}, ranges.size(), [&](std::size_t i) {
      execution.check_cancelled();
      execution.pace(2 * range_bytes(ranges[i]));
      compare(pairs[ranges[i].tensor], ranges[i], buffers.local());
      execution.advance(2 * range_bytes(ranges[i]));
    });
    const std::vector<std::size_t> again = equal_ranges_of_changed_tensors(pairs, ranges);
    tbb::parallel_for(std::size_t{0}, again.size(), [&](std::size_t i) {
      execution.check_cancelled();
      Range& range = ranges[again[i]];
      execution.pace(range_bytes(range));
      const Pair& pair = pairs[range.tensor];
      const std::span bytes = read_range(*pair.a, range, pair.bits, buffers.local().a);
      range.sums =
          best_diff_kernels().sums_of_equal(pair.a->tensor.dtype, bytes.data(), range.count);
    });
  });
  execution.end();

  for (const Pair& pair : pairs) {
    finish(diffs[pair.diff], std::span(ranges).subspan(pair.first_range, pair.ranges));
  }
  for (TensorDiff& diff : diffs) {
    count(report, diff);
    if (all || diff.difference != TensorDifference::kSame) {
      report.tensors.push_back(std::move(diff));
    }
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace contourfuse
