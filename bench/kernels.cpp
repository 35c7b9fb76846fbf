// Times the block kernels, at every instruction level of the processor, against memcpy.
#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "contourfuse/backend/cpu/kernels.hpp"
#include "contourfuse/io/hash.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/scf.hpp"

namespace {

using namespace contourfuse;

// Far beyond a last-level cache, so that every pass is from DRAM.
constexpr std::size_t kArrayBytes = std::size_t{256} << 20;
constexpr std::size_t kPieceBytes = std::size_t{512} << 10;  // the backend's
constexpr std::size_t kElementBytes = 2;                     // bf16
constexpr std::size_t kBlockBytes = kBlockElements * kElementBytes;
constexpr std::size_t kFileBytes = std::size_t{64} << 20;

// Below half a unit in the last place: weights that are edited in place again and again stay.
constexpr float kAlpha = 0x1p-10F;
constexpr float kGamma = 0x1p-10F;

/// Anonymous memory in huge pages where the system gives them, as the page cache is mapped.
class Array {
 public:
  explicit Array(std::size_t bytes) : bytes_(bytes) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("no memory");
    madvise(memory, bytes, MADV_HUGEPAGE);
    memory_ = static_cast<std::byte*>(memory);
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  ~Array() { munmap(memory_, bytes_); }

  /// Random weights, some of both signs; a pattern of 1 Mi elements, again and again.
  void fill(float scale, unsigned seed) {
    std::minstd_rand random(seed);
    std::normal_distribution<float> normal(0, scale);
    std::vector<std::uint16_t> pattern(std::size_t{1} << 20);
    for (std::uint16_t& element : pattern) element = Bf16::narrow(normal(random));
    const std::size_t step = pattern.size() * kElementBytes;
    for (std::size_t at = 0; at < bytes_; at += step) {
      std::memcpy(memory_ + at, pattern.data(), std::min(step, bytes_ - at));
    }
  }
  [[nodiscard]] std::byte* data() const { return memory_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_;
  std::byte* memory_ = nullptr;
};

/// A file that is nothing but page cache.
class CachedFile {
 public:
  CachedFile(const char* name, const std::byte* from) : descriptor_(memfd_create(name, 0)) {
    if (descriptor_ < 0) throw std::runtime_error("no memory file");
    for (std::size_t at = 0; at < kFileBytes; at += kPieceBytes) write(at, from + at);
  }
  CachedFile(const CachedFile&) = delete;
  CachedFile& operator=(const CachedFile&) = delete;
  ~CachedFile() { close(descriptor_); }

  void read(std::size_t at, std::byte* piece) const {
    check(pread(descriptor_, piece, kPieceBytes, static_cast<off_t>(at)));
  }
  void write(std::size_t at, const std::byte* piece) const {
    check(pwrite(descriptor_, piece, kPieceBytes, static_cast<off_t>(at)));
  }

 private:
  static void check(ssize_t bytes) {
    if (bytes != static_cast<ssize_t>(kPieceBytes)) throw std::runtime_error("short transfer");
  }
  int descriptor_;
};

struct Memory {
  Array weight{kArrayBytes};
  Array delta{kArrayBytes};
  Array copy{kArrayBytes};
  std::unique_ptr<CachedFile> weight_file{};
  std::unique_ptr<CachedFile> delta_file{};
  std::unique_ptr<CachedFile> target_file{};

  Memory() {
    weight.fill(0.02F, 1);
    delta.fill(0.05F, 2);
    copy.fill(1, 3);
    weight_file = std::make_unique<CachedFile>("weight", weight.data());
    delta_file = std::make_unique<CachedFile>("delta", delta.data());
    target_file = std::make_unique<CachedFile>("target", copy.data());
  }
};

/// One edit of bf16 by bf16.
struct Edit {
  const Kernels* kernels = nullptr;
  ScfRole role = ScfRole::kDown;
  bool stochastic = false;
  bool records = false;

  /// Edits a piece in place as the backend does: each block into a buffer, recorded, and back.
  void run(std::byte* weight, const std::byte* delta, std::uint64_t first) const {
    alignas(64) std::array<std::byte, kBlockBytes> out;
    const TransformNumbers numbers{role == ScfRole::kDown ? kAlpha : kGamma, 7, 11};
    const auto transform = kernels->transform[0][0][static_cast<std::size_t>(role)][stochastic];
    const auto record = kernels->record[0][0][static_cast<std::size_t>(role)];
    for (std::size_t at = 0; at < kPieceBytes; at += kBlockBytes) {
      std::byte* block = weight + at;
      const std::byte* change = delta + at;
      bool bad =
          transform(block, change, out.data(), kBlockElements, first + at / kElementBytes, numbers);
      benchmark::DoNotOptimize(bad);
      if (records) {
        RecordCounts counts;
        RecordSums sums;
        record(block, change, out.data(), kBlockElements, numbers.parameter, counts, sums);
        benchmark::DoNotOptimize(counts);
        benchmark::DoNotOptimize(sums);
      }
      std::memcpy(block, out.data(), kBlockBytes);
    }
  }
};

/// Calls `piece` with the place of each piece of an array, and says how many bytes it touches.
template <class Piece>
void walk(benchmark::State& state, std::size_t total, std::size_t touched, Piece piece) {
  for ([[maybe_unused]] auto _ : state) {
    for (std::size_t at = 0; at < total; at += kPieceBytes) piece(at);
    benchmark::ClobberMemory();
  }
  const auto passes = static_cast<double>(state.iterations());
  using Counter = benchmark::Counter;
  state.counters["bytes"] = Counter(passes * static_cast<double>(touched), Counter::kIsRate);
  state.counters["element"] = Counter(passes * static_cast<double>(total / kElementBytes),
                                      Counter::kIsRate | Counter::kInvert);
}

/// A fuse's work on a piece, but for threads: read both, hash the source, edit, write, hash the
/// target; weight and delta have hashes of their own.
void run_piece(const Memory& memory, const Edit& edit, std::size_t at) {
  static std::vector<std::byte> weight(kPieceBytes);
  static std::vector<std::byte> delta(kPieceBytes);
  static std::array<Hash128, 4> hashes;
  memory.weight_file->read(at, weight.data());
  hashes[0].update(std::span<const std::byte>(weight));
  memory.delta_file->read(at, delta.data());
  edit.run(weight.data(), delta.data(), at / kElementBytes);
  memory.target_file->write(at, weight.data());
  hashes[1].update(std::span<const std::byte>(weight));
  hashes[2].update(std::span<const std::byte>(weight));
  hashes[3].update(std::span<const std::byte>(delta));
}

void add(const std::string& kernel, std::string_view level,
         const std::function<void(benchmark::State&)>& body) {
  benchmark::RegisterBenchmark((kernel + "/" + std::string(level)).c_str(), body)
      ->Iterations(1)
      ->Unit(benchmark::kMillisecond);
}

void add_edit(const Memory& memory, const Edit& edit, const std::string& name) {
  add(name, edit.kernels->level, [&memory, edit](benchmark::State& state) {
    walk(state, kArrayBytes, 3 * kArrayBytes, [&](std::size_t at) {
      edit.run(memory.weight.data() + at, memory.delta.data() + at, at / kElementBytes);
    });
  });
}

void add_piece(const Memory& memory, const Edit& edit, const std::string& name) {
  add(name, edit.kernels->level, [&memory, edit](benchmark::State& state) {
    walk(state, kFileBytes, 3 * kFileBytes, [&](std::size_t at) { run_piece(memory, edit, at); });
  });
}

void add_level(const Memory& memory, const Kernels& kernels) {
  constexpr ScfRole kDown = ScfRole::kDown;
  constexpr ScfRole kGate = ScfRole::kGate;
  add("moments", kernels.level, [&](benchmark::State& state) {
    walk(state, kArrayBytes, kArrayBytes, [&](std::size_t at) {
      for (std::size_t block = 0; block < kPieceBytes; block += kBlockBytes) {
        BlockMoments moments =
            kernels.moments[0](memory.weight.data() + at + block, kBlockElements);
        benchmark::DoNotOptimize(moments);
      }
    });
  });
  add_edit(memory, {&kernels, kDown, false, false}, "down");
  add_edit(memory, {&kernels, kGate, false, false}, "gate");
  add_edit(memory, {&kernels, kDown, true, false}, "down stochastic");
  add_edit(memory, {&kernels, kGate, true, false}, "gate stochastic");
  add_edit(memory, {&kernels, kDown, false, true}, "down, record");
  add_edit(memory, {&kernels, kGate, false, true}, "gate, record");
  add_piece(memory, {&kernels, kDown, false, false}, "file down");
  add_piece(memory, {&kernels, kDown, false, true}, "file down, record");
  add_piece(memory, {&kernels, kDown, true, true}, "file down stochastic, record");
}

void add_all(const Memory& memory) {
  add("memcpy", "any", [&](benchmark::State& state) {
    walk(state, kArrayBytes, 2 * kArrayBytes, [&](std::size_t at) {
      std::memcpy(memory.copy.data() + at, memory.weight.data() + at, kPieceBytes);
    });
  });
  add("XXH3", "any", [&](benchmark::State& state) {
    Hash128 hash;
    walk(state, kArrayBytes, kArrayBytes, [&](std::size_t at) {
      hash.update(std::span<const std::byte>(memory.weight.data() + at, kPieceBytes));
    });
  });
  std::size_t count = 0;
  const Kernels* const* levels = available_kernels(count);
  for (std::size_t i = 0; i < count; ++i) add_level(memory, *levels[i]);
}

/// Collects the repetitions and prints their medians as a table.
class Table final : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration || run.error_occurred) continue;
      const std::string name = run.run_name.function_name;
      if (!results_.contains(name)) names_.push_back(name);
      results_[name].bytes.push_back(run.counters.at("bytes"));
      results_[name].seconds.push_back(run.counters.at("element"));
    }
  }

  void Finalize() override {
    std::ranges::sort(names_);
    std::printf("\n%-44s %10s %12s %12s\n", "kernel/level", "GB/s", "ns/element", "% of memcpy");
    const double ceiling = bytes_of("memcpy/any");
    for (const std::string& name : names_) {
      std::printf("%-44s %10.1f %12.3f", name.c_str(), bytes_of(name) / 1e9,
                  1e9 * seconds_of(name));
      if (ceiling > 0) std::printf(" %12.0f", 100 * bytes_of(name) / ceiling);
      std::printf("\n");
    }
    std::printf("\n%-44s %10s\n", "ratio of times", "");
    for (const std::string& name : names_) {
      const std::size_t slash = name.find('/');
      const std::string level = name.substr(slash);
      std::string plain = name.substr(0, slash);
      for (const char* extra : {" stochastic", ", record"}) {
        const std::size_t found = plain.find(extra);
        if (found == std::string::npos) continue;
        plain.erase(found, std::string_view(extra).size());
        if (!results_.contains(plain + level)) continue;
        std::printf("%-44s %10.2f of %s\n", name.c_str(),
                    seconds_of(name) / seconds_of(plain + level), plain.c_str());
        break;
      }
    }
  }

 private:
  struct Results {
    std::vector<double> bytes;    // per second
    std::vector<double> seconds;  // per element
  };

  static double median(std::vector<double> values) {
    if (values.empty()) return 0;
    std::ranges::sort(values);
    return values[values.size() / 2];
  }
  double bytes_of(const std::string& name) { return median(results_[name].bytes); }
  double seconds_of(const std::string& name) { return median(results_[name].seconds); }

  std::map<std::string, Results> results_{};
  std::vector<std::string> names_{};
};

}  // namespace

int main(int argc, char** argv) {
  // Kernels take turns, so that a ratio is not of two moments of a busy machine.
  std::array<char, 48> turns{"--benchmark_enable_random_interleaving=true"};
  std::array<char, 32> repetitions{"--benchmark_repetitions=11"};
  std::vector<char*> arguments{argv[0], turns.data(), repetitions.data()};
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  const Memory memory;
  add_all(memory);
  Table table;
  benchmark::RunSpecifiedBenchmarks(&table);
  return 0;
}
