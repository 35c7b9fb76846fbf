// Times the function metrics of one MLP against the matrix products that they need, bare.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contourfuse/backend/cpu/cpu_sweep_backend.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/sweep/output_grid.hpp"
#include "contourfuse/sweep/probe.hpp"

namespace {

namespace fs = std::filesystem;
using namespace contourfuse;

struct Dimensions {
  std::uint64_t hidden = 1024;
  std::uint64_t intermediate = 4096;
  std::uint64_t tokens = 256;
  std::uint64_t gammas = 8;
  std::uint64_t alphas = 8;
  std::uint64_t threads = 2;
  std::uint64_t rounds = 5;
};

/// A stored bf16 delta, held in memory.
class Delta final : public DeltaReader {
 public:
  explicit Delta(std::vector<std::uint16_t> elements) : elements_(std::move(elements)) {}
  void read(std::uint64_t first, std::span<std::byte> out) const override {
    std::memcpy(out.data(), elements_.data() + first, out.size());
  }
  [[nodiscard]] bool stored() const noexcept override { return true; }

 private:
  std::vector<std::uint16_t> elements_;
};

std::vector<std::uint16_t> random_elements(std::uint64_t count, float scale, unsigned seed) {
  std::minstd_rand random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<std::uint16_t> elements(count);
  for (std::uint16_t& element : elements) element = Bf16::narrow(normal(random));
  return elements;
}

/// The three matrices of an MLP in one file, in bf16, removed at the end.
class Mlp {
 public:
  explicit Mlp(const Dimensions& size)
      : size_(size),
        path_(fs::temp_directory_path() / ("contourfuse-bench-" + std::to_string(::getpid()))),
        gate_delta_(random_elements(size.hidden * size.intermediate, 1, 1)),
        down_delta_(random_elements(size.hidden * size.intermediate, 1, 2)) {
    const auto elements = random_elements(3 * size.hidden * size.intermediate, 0.02F, 3);
    File::create(path_).write(0, std::as_bytes(std::span(elements)));
    file_ = File::open(path_);
  }
  Mlp(const Mlp&) = delete;
  Mlp& operator=(const Mlp&) = delete;
  ~Mlp() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }

  [[nodiscard]] OutputJob job() const {
    OutputJob job{.gate = matrix("gate", 0), .up = matrix("up", 1), .down = matrix("down", 2)};
    job.gate.matrix.delta = &gate_delta_;
    job.down.matrix.delta = &down_delta_;
    job.probe = seeded_probe(size_.tokens, size_.hidden, 0, {});
    job.post_norm = PostNorm{.weight = std::vector<float>(size_.hidden, 1)};
    for (std::uint64_t i = 0; i < size_.gammas; ++i) {
      job.gate.parameters.push_back(0.25F * static_cast<float>(i + 1));
    }
    for (std::uint64_t i = 0; i < size_.alphas; ++i) {
      job.down.parameters.push_back(0.1F * static_cast<float>(i + 1));
    }
    return job;
  }

 private:
  [[nodiscard]] OutputMatrix matrix(const char* name, std::uint64_t index) const {
    const bool down = index == 2;
    OutputMatrix matrix{.source = &file_};
    matrix.matrix.name = name;
    matrix.matrix.role = down ? ScfRole::kDown : ScfRole::kGate;
    matrix.matrix.offset = index * size_.hidden * size_.intermediate * sizeof(std::uint16_t);
    matrix.matrix.rows = down ? size_.hidden : size_.intermediate;
    matrix.matrix.cols = down ? size_.intermediate : size_.hidden;
    matrix.matrix.covered_rows = matrix.matrix.rows;
    matrix.matrix.covered_cols = matrix.matrix.cols;
    return matrix;
  }

  Dimensions size_;
  fs::path path_;
  Delta gate_delta_;
  Delta down_delta_;
  File file_{};
};

/// The products of measure_outputs, tile by tile in the same shapes, with matrices that are there.
class BareProducts {
 public:
  explicit BareProducts(const Dimensions& size)
      : size_(size),
        probe_(size.tokens * size.hidden, 0.5F),
        tile_(kTile * size.hidden, 0.01F),
        hidden_(size.gammas * size.tokens * kTile, 0.1F) {}

  void run(Products& products) {
    const auto base = products.sum(size_.tokens, size_.hidden);
    const auto gate = products.sum(size_.gammas * size_.tokens, size_.hidden);
    const auto down = products.sum(size_.gammas * size_.tokens, size_.hidden);
    for (std::uint64_t first = 0; first < size_.intermediate; first += kTile) {
      const std::uint64_t count = std::min(kTile, size_.intermediate - first);
      const FloatMatrix x{probe_.data(), size_.tokens, size_.hidden, size_.hidden};
      const FloatMatrix rows{tile_.data(), count, size_.hidden, size_.hidden};
      const FloatMatrix columns{tile_.data(), size_.hidden, count, count};
      for (std::uint64_t product = 0; product < size_.gammas + 2; ++product) {
        products.multiply(x, rows, std::span(hidden_).first(size_.tokens * count));
      }
      const FloatMatrix all{hidden_.data(), size_.gammas * size_.tokens, count, count};
      base->add({hidden_.data(), size_.tokens, count, count}, columns);
      gate->add(all, columns);
      down->add(all, columns);
    }
  }

 private:
  static constexpr std::uint64_t kTile = 512;  // neurons, as in the function metrics
  Dimensions size_;
  std::vector<float> probe_;
  std::vector<float> tile_;
  std::vector<float> hidden_;
};

double seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure(const Dimensions& size) {
  const Mlp mlp(size);
  const OutputJob job = mlp.job();
  const Execution execution{.threads = static_cast<int>(size.threads)};
  const auto backend = make_cpu_sweep_backend();
  const auto products = backend->products(execution);
  BareProducts bare(size);
  bare.run(*products);  // the first call of a library is not its speed
  std::vector<double> products_seconds;
  std::vector<double> grid_seconds;
  std::vector<double> ratios;
  for (std::uint64_t round = 0; round < size.rounds; ++round) {
    products_seconds.push_back(seconds([&] { bare.run(*products); }));
    grid_seconds.push_back(
        seconds([&] { static_cast<void>(measure_outputs(job, *products, execution)); }));
    ratios.push_back(grid_seconds.back() / products_seconds.back());
  }
  const double operations = 2e-9 * static_cast<double>(size.tokens * size.hidden *
                                                       size.intermediate * 3 * (size.gammas + 1));
  std::printf("H %lu, I %lu, %lu tokens, %lu gammas, %lu alphas, %lu threads, %lu rounds\n",
              size.hidden, size.intermediate, size.tokens, size.gammas, size.alphas, size.threads,
              size.rounds);
  std::printf("products alone %.3f s (%.0f GFLOP/s), function metrics %.3f s, ratio %.2f\n",
              median(products_seconds), operations / median(products_seconds), median(grid_seconds),
              median(ratios));
}

}  // namespace

int main(int argc, char** argv) {
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  Dimensions size;
  std::uint64_t* const fields[] = {&size.hidden, &size.intermediate, &size.tokens, &size.gammas,
                                   &size.alphas, &size.threads,      &size.rounds};
  bool good = arguments.size() <= 1 + std::size(fields);
  for (std::size_t i = 1; good && i < arguments.size(); ++i) {
    const std::string_view text = arguments[i];
    std::uint64_t& field = *fields[i - 1];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), field);
    good = error == std::errc{} && end == text.data() + text.size() && field > 0;
  }
  if (!good) {
    std::fputs("usage: output_grid [H [I [TOKENS [GAMMAS [ALPHAS [THREADS [ROUNDS]]]]]]]\n",
               stderr);
    return 2;
  }
  try {
    measure(size);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "output_grid: %s\n", error.what());
    return 1;
  }
  return 0;
}
