// A fuse of files in a folder of their own, with what it must give.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "backend/cpu/reference.hpp"
#include "contourfuse/backend/cpu/cpu_backend.hpp"
#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/hash.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse::test {

inline std::vector<std::byte> read_bytes(const std::filesystem::path& path) {
  const File file = File::open(path);
  std::vector<std::byte> bytes(file.size());
  file.read(0, bytes);
  return bytes;
}

/// A delta in memory that knows the rules of reading.
class MemoryDelta final : public DeltaReader {
 public:
  MemoryDelta(DType dtype, std::vector<std::byte> elements)
      : dtype_(dtype), elements_(std::move(elements)) {}

  void read(std::uint64_t first, std::span<std::byte> out) const override {
    if (released_) ++reads_after_release;
    const auto number = reads_++;
    if (on_read) on_read(number);
    const std::uint64_t begin = first * editable_bytes(dtype_);
    if (begin + out.size() > elements_.size()) throw std::out_of_range("past the delta's end");
    std::copy_n(elements_.begin() + static_cast<std::ptrdiff_t>(begin), out.size(), out.begin());
    bytes_read += out.size();
  }
  void release() const override { released_ = true; }
  /// As before the first read.
  void restart() {
    on_read = {};
    reads_ = 0;
    released_ = false;
  }
  [[nodiscard]] bool stored() const noexcept override { return is_stored; }
  [[nodiscard]] std::optional<StoredElements> place() const override { return stored_at; }
  [[nodiscard]] bool released() const { return released_; }
  [[nodiscard]] const std::vector<std::byte>& elements() const { return elements_; }

  std::function<void(int)> on_read{};  ///< called with the number of reads before
  bool is_stored = true;
  std::optional<StoredElements> stored_at{};  ///< the elements are read from there
  mutable std::atomic<int> reads_after_release = 0;
  mutable std::atomic<std::uint64_t> bytes_read = 0;

 private:
  DType dtype_;
  std::vector<std::byte> elements_;
  mutable std::atomic<bool> released_ = false;
  mutable std::atomic<int> reads_ = 0;
};

/// What a matrix is to be made of; elements come from a seed.
struct MatrixSpec {
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  std::uint64_t covered_rows = 0;
  std::uint64_t covered_cols = 0;
  DType dtype = DType::kBF16;
  DType delta_dtype = DType::kBF16;
  ScfRole role = ScfRole::kDown;
};

inline std::vector<std::byte> normal_elements(DType dtype, std::size_t count, unsigned seed,
                                              float sigma) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, sigma);
  std::vector<std::byte> bytes(count * editable_bytes(dtype));
  for (std::size_t i = 0; i < count; ++i) {
    store(dtype, bytes.data() + i * editable_bytes(dtype),
          i % 97 == 5 ? 0 : narrow(dtype, normal(random), {}));
  }
  return bytes;
}

inline std::string hash_of(std::span<const std::byte> bytes) {
  Hash128 hash;
  hash.update(bytes);
  return hash.hex();
}

struct ExpectedMatrix {
  RecordCounts counts{};
  RecordSums sums{};
  std::optional<double> sigma_weight{};
  std::optional<double> sigma_delta{};
  std::optional<float> alpha{};
};

/// Shards as bytes in memory and as files, and the job over them.
class FuseFixture {
 public:
  std::size_t add_shard() {
    shards.emplace_back();
    return shards.size() - 1;
  }
  /// Appends bytes that no matrix owns.
  void add_bytes(std::size_t count) {
    std::mt19937 random(static_cast<unsigned>(shards.back().size() + count));
    for (std::size_t i = 0; i < count; ++i) {
      shards.back().push_back(static_cast<std::byte>(random() & 0xFFU));
    }
  }
  MemoryDelta& add_matrix(const MatrixSpec& spec) {
    const auto seed = static_cast<unsigned>(31 + deltas.size());
    deltas.emplace_back(
        spec.delta_dtype,
        normal_elements(spec.delta_dtype, spec.covered_rows * spec.covered_cols, 2 * seed, 0.8F));
    const auto weight = normal_elements(spec.dtype, spec.rows * spec.cols, 2 * seed + 1, 0.05F);
    job.matrices.push_back({.name = "matrix " + std::to_string(deltas.size()),
                            .delta_place = "the delta",
                            .role = spec.role,
                            .shard = shards.size() - 1,
                            .offset = shards.back().size(),
                            .rows = spec.rows,
                            .cols = spec.cols,
                            .covered_rows = spec.covered_rows,
                            .covered_cols = spec.covered_cols,
                            .dtype = spec.dtype,
                            .delta_dtype = spec.delta_dtype,
                            .delta = &deltas.back()});
    shards.back().insert(shards.back().end(), weight.begin(), weight.end());
    return deltas.back();
  }
  /// Sets one stored element of a matrix's weight.
  void set_weight(std::size_t matrix, std::uint64_t index, std::uint32_t bits) {
    const MatrixJob& of = job.matrices[matrix];
    store(of.dtype, shards[of.shard].data() + of.offset + index * editable_bytes(of.dtype), bits);
  }

  struct Outcome {
    FuseResults results{};
    std::vector<std::vector<std::byte>> files{};
  };

  /// Runs the job over files; `write` false leaves the targets out.
  Outcome run(int threads, bool write = true, Execution execution = {}) {
    const TemporaryFolder folder;
    std::list<File> files;
    job.shards.clear();
    for (std::size_t i = 0; i < shards.size(); ++i) {
      const std::filesystem::path source = folder.path() / ("source" + std::to_string(i));
      const std::filesystem::path target = folder.path() / ("target" + std::to_string(i));
      File::create(source).write(
          0,
          std::span(shards[i]).first(shards[i].size() - std::min(shards[i].size(), missing_bytes)));
      const File& from = files.emplace_back(File::open(source));
      File* to = nullptr;
      if (write && in_place) to = &files.emplace_back(File::open_to_change(source));
      if (write && !in_place) to = &files.emplace_back(File::create(target));
      if (write && !in_place && copying == CopyMethod::kCloned) to->write(0, shards[i]);
      job.shards.push_back(
          {&from, to, shards[i].size(), first_byte, in_place ? CopyMethod::kCloned : copying});
    }
    place_deltas(folder.path(), files);
    execution.threads = threads;
    Outcome outcome;
    outcome.results = make_backend()->run(job, execution);
    for (std::size_t i = 0; write && i < shards.size(); ++i) {
      outcome.files.push_back(
          read_bytes(folder.path() / ((in_place ? "source" : "target") + std::to_string(i))));
    }
    return outcome;
  }

  /// The edited shards, and each matrix's result.
  std::vector<std::vector<std::byte>> expected(std::vector<ExpectedMatrix>& results) const {
    std::vector<std::vector<std::byte>> files = shards;
    for (const MatrixJob& matrix : job.matrices) {
      results.push_back(edit_matrix(matrix, files[matrix.shard].data() + matrix.offset));
    }
    return files;
  }

  std::function<std::unique_ptr<Backend>()> make_backend = make_cpu_backend;
  std::uint64_t first_byte = 0;  ///< that the job is to handle, of each shard
  std::vector<std::vector<std::byte>> shards{};
  std::list<MemoryDelta> deltas{};
  FuseJob job{};
  std::size_t missing_bytes = 0;  ///< cut off the files' ends
  CopyMethod copying = CopyMethod::kWrite;
  bool in_place = false;         ///< every target is its source
  bool deltas_in_files = false;  ///< read from files by the backend, at odd offsets

 private:
  void place_deltas(const std::filesystem::path& folder, std::list<File>& files) {
    for (MemoryDelta& delta : deltas) {
      delta.stored_at.reset();
      if (!deltas_in_files) continue;
      const std::uint64_t offset = 4093 + 2 * files.size() % 8;
      File& file =
          files.emplace_back(File::create(folder / ("delta" + std::to_string(files.size()))));
      file.write(offset, delta.elements());
      delta.stored_at = StoredElements{&file, offset};
    }
  }

  ExpectedMatrix edit_matrix(const MatrixJob& matrix, std::byte* elements) const {
    const auto& delta = static_cast<const MemoryDelta*>(matrix.delta)->elements();
    const auto delta_at = [&](std::uint64_t i) {
      return load(matrix.delta_dtype, delta.data() + i * editable_bytes(matrix.delta_dtype));
    };
    const auto weight_index = [&](std::uint64_t i) {
      return i / matrix.covered_cols * matrix.cols + i % matrix.covered_cols;
    };
    const auto weight_at = [&](std::uint64_t i) {
      return elements + weight_index(i) * editable_bytes(matrix.dtype);
    };
    ExpectedMatrix result;
    const ScfNumbers& numbers = job.numbers;
    Edit edit{matrix.dtype,       matrix.delta_dtype,    matrix.role,         numbers.gamma,
              numbers.stochastic, numbers.rounding_seed, xxh3_64(matrix.name)};
    if (matrix.covered() == 0) return result;
    if (matrix.role == ScfRole::kDown) {
      ReferenceMoments w;
      ReferenceMoments d;
      for (std::uint64_t i = 0; i < matrix.covered(); ++i) {
        w.add(widen(matrix.dtype, load(matrix.dtype, weight_at(i))));
        d.add(widen(matrix.delta_dtype, delta_at(i)));
      }
      double alpha = numbers.alpha;
      if (numbers.alpha_rule == AlphaRule::kSigmaRatio) {
        result.sigma_weight = w.sigma();
        alpha *= w.sigma();
      }
      if (numbers.alpha_rule != AlphaRule::kPlain) {
        result.sigma_delta = d.sigma();
        alpha /= d.sigma();
      }
      edit.parameter = static_cast<float>(alpha);
      result.alpha = edit.parameter;
    }
    ReferenceRecord record;
    for (std::uint64_t i = 0; i < matrix.covered(); ++i) {
      const std::uint32_t w = load(matrix.dtype, weight_at(i));
      const std::uint32_t d = delta_at(i);
      const std::uint32_t out = edit.result(w, d, weight_index(i));
      if (!std::isfinite(widen(matrix.dtype, w)) || !std::isfinite(widen(matrix.delta_dtype, d)) ||
          !std::isfinite(widen(matrix.dtype, out))) {
        record.keep_nonfinite();
        continue;
      }
      record.add(edit, w, d, out);
      store(matrix.dtype, weight_at(i), out);
    }
    result.counts = record.counts();
    result.sums = record.sums();
    return result;
  }
};

/// Runs `work`; ends the program if it hangs, since a hung thread cannot be ended.
template <class Work>
void expect_not_to_hang(const char* what, Work work) {
  auto done = std::async(std::launch::async, work);
  if (done.wait_for(std::chrono::seconds(120)) != std::future_status::ready) {
    std::fprintf(stderr, "%s hangs\n", what);
    std::abort();
  }
  done.get();
}

/// The error that a run ends with.
inline Error failure_of(FuseFixture& fuse, int threads, Execution execution = {}) {
  std::optional<Error> caught;
  expect_not_to_hang("a failing run", [&] {
    try {
      fuse.run(threads, true, execution);
    } catch (const Error& error) {
      caught = error;
    }
  });
  return caught.value_or(Error(Failure::kFailed, "none", "the run did not fail"));
}

}  // namespace contourfuse::test
