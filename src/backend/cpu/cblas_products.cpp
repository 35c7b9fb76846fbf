// Products in blocks of fixed size, one sgemm each.
#include "backend/cpu/cblas_products.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <vector>

#include "backend/cpu/openblas_library.hpp"

namespace contourfuse {
namespace {

// Of the result. Which rows and columns stand in one call decides how its sums are rounded, so this
// must not follow the number of threads; large enough that a call's packing costs little.
constexpr std::uint64_t kBlockRows = 256;
constexpr std::uint64_t kBlockCols = 256;

/// Elements of k in one call: far below the int that CBLAS counts with.
constexpr std::uint64_t kMostInner = std::uint64_t{1} << 20;

void multiply_block(const FloatMatrix& a, const FloatMatrix& b, std::uint64_t row,
                    std::uint64_t col, float keep, std::span<float> out) {
  const auto multiply = openblas_library().multiply;
  const std::uint64_t rows = std::min(kBlockRows, a.rows - row);
  const std::uint64_t cols = std::min(kBlockCols, b.rows - col);
  for (std::uint64_t k = 0; k == 0 || k < a.cols; k += kMostInner) {
    const std::uint64_t inner = std::min(kMostInner, a.cols - k);
    multiply(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<blasint>(rows),
             static_cast<blasint>(cols), static_cast<blasint>(inner), 1,
             a.values + row * a.stride + k, static_cast<blasint>(a.stride),
             b.values + col * b.stride + k, static_cast<blasint>(b.stride), k == 0 ? keep : 1,
             out.data() + row * b.rows + col, static_cast<blasint>(b.rows));
  }
}

/// out = keep·out + a·bᵀ.
void multiply_blocks(tbb::task_arena& arena, const FloatMatrix& a, const FloatMatrix& b, float keep,
                     std::span<float> out) {
  const std::uint64_t down = (a.rows + kBlockRows - 1) / kBlockRows;
  const std::uint64_t across = (b.rows + kBlockCols - 1) / kBlockCols;
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(arena.max_concurrency()));
  arena.execute([&] {
    tbb::parallel_for(
        std::uint64_t{0}, down * across,
        [&](std::uint64_t block) {
          multiply_block(a, b, block % down * kBlockRows, block / down * kBlockCols, keep, out);
        },
        tbb::simple_partitioner{});
  });
}

class CblasSum final : public ProductSum {
 public:
  CblasSum(tbb::task_arena& arena, std::uint64_t rows, std::uint64_t cols)
      : arena_(arena), sum_(rows * cols) {}

  void add(const FloatMatrix& a, const FloatMatrix& b) override {
    multiply_blocks(arena_, a, b, 1, sum_);
  }
  void read(std::span<float> out) const override {
    std::copy(sum_.begin(), sum_.end(), out.begin());
  }

 private:
  tbb::task_arena& arena_;
  std::vector<float> sum_;
};

class CblasProducts final : public Products {
 public:
  explicit CblasProducts(int threads) : arena_(threads) { openblas_library().set_threads(1); }

  void multiply(const FloatMatrix& a, const FloatMatrix& b, std::span<float> out) override {
    multiply_blocks(arena_, a, b, 0, out);
  }
  [[nodiscard]] std::unique_ptr<ProductSum> sum(std::uint64_t rows, std::uint64_t cols) override {
    return std::make_unique<CblasSum>(arena_, rows, cols);
  }

 private:
  tbb::task_arena arena_;
};

}  // namespace

std::unique_ptr<Products> make_cblas_products(const Execution& execution) {
  return std::make_unique<CblasProducts>(execution.thread_count());
}

}  // namespace contourfuse
