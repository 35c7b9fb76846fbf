// Grids and products on a GPU through the module: the grids have the CPU's bits, the products its
// values, and how long a large grid takes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "backend/cpu/grid_fixture.hpp"
#include "contourfuse/backend/cpu/cpu_sweep_backend.hpp"
#include "contourfuse/core/error.hpp"
#include "cuda_sweep/same_grid.hpp"
#include "device/cublas_library.hpp"
#include "gpu/usable_gpu.hpp"

namespace contourfuse {
namespace {

using test::GridFixture;
using test::MatrixSpec;

constexpr std::uint64_t kSweepPinnedBytes = 64'000'000;
const std::vector<double> kAlphas = {1,   -1,   0,    64,   0.25, 1e-3, -0.5,  0x1p-20,
                                     -64, 0.01, 1e-9, -0.0, 33.2, 0.1,  -3e-2, -1e-12};
const std::vector<double> kGammas = {25, 0, 0.01, 0x1p-8, 0x1p-9, 0.0039, 1e-10, 0.25, 3, 1e-46};

class GpuSweep : public test::UsableGpu {
 protected:
  void SetUp() override {
    UsableGpu::SetUp();
    if (IsSkipped()) return;
    backend_ = make_cuda_sweep_backend(ordinals(), kSweepPinnedBytes);
  }
  void expect_the_cpus_bits(const GridJob& job, const std::string& what) {
    // Once on every device.
    for (std::size_t i = 0; i < ordinals().size(); ++i) {
      test::expect_same_grid(backend_->measure(job, {}), make_cpu_sweep_backend()->measure(job, {}),
                             test::described(job, what));
    }
  }
  [[nodiscard]] SweepBackend& backend() { return *backend_; }

 private:
  std::unique_ptr<SweepBackend> backend_{};
};

// Needs no GPU.
TEST(Cublas, IsFoundWhereTheToolkitIs) {
  const device::CublasLibrary& cublas = device::cublas_library();
  EXPECT_NE(cublas.multiply, nullptr);
  try {
    device::throw_cublas_error(CUBLAS_STATUS_ALLOC_FAILED, "a call", "cuda:0");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), "device-memory");
    EXPECT_EQ(error.message(), "cuda:0: a call: the resource allocation failed");
  }
}

TEST_F(GpuSweep, HasTheBitsOfTheCpu) {
  for (const test::ElementSet& set : test::element_sets()) {
    for (const DType weight : test::kEditable) {
      for (const DType delta : test::kEditable) {
        for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
          const MatrixSpec spec{90, 300, 90, 300, weight, delta, role};
          GridFixture fixture(spec, test::made_elements(weight, 27'000, 7, set.weight),
                              test::made_elements(delta, 27'000, 8, set.delta));
          fixture.job.values = role == ScfRole::kDown ? kAlphas : kGammas;
          for (const bool stochastic : {false, true}) {
            fixture.job.stochastic = stochastic;
            expect_the_cpus_bits(fixture.job, set.name);
            if (HasFailure()) return;
          }
        }
      }
    }
  }
}

TEST_F(GpuSweep, HasTheBitsOfTheCpuInALargeMatrix) {
  for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
    const MatrixSpec spec{5376, 4096, 5370, 4000, DType::kBF16, DType::kBF16, role};
    GridFixture fixture(spec, test::normal_elements(spec.dtype, 5376 * 4096, 1, 0.02F),
                        test::normal_elements(spec.delta_dtype, 5370 * 4000, 2, 0.3F));
    for (int i = 0; i < 64; ++i) fixture.job.values.push_back(std::exp2(i * 0.25 - 10));
    fixture.job.alpha_rule = AlphaRule::kSigmaRatio;
    expect_the_cpus_bits(fixture.job, "large");
    const auto begin = std::chrono::steady_clock::now();
    static_cast<void>(backend().measure(fixture.job, {}));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("%s: 64 points of %.1f million elements in %.1f ms, reading from the page cache\n",
                role == ScfRole::kGate ? "gate" : "down", 5370e-6 * 4000, took.count() * 1e3);
  }
}

TEST_F(GpuSweep, MultipliesAsTheCpuDoes) {
  constexpr std::uint64_t kRows = 70;
  constexpr std::uint64_t kCols = 130;
  constexpr std::uint64_t kInner = 1000;
  std::mt19937 random(1);
  const auto whole = [&] { return static_cast<float>(static_cast<int>(random() % 15) - 7); };
  std::vector<float> a(kRows * kInner);
  std::vector<float> b(kCols * (kInner + 1));
  for (float& value : a) value = whole();
  for (float& value : b) value = whole();
  const FloatMatrix left{a.data(), kRows, kInner, kInner};
  const FloatMatrix right{b.data(), kCols, kInner, kInner + 1};
  std::vector<float> expected(kRows * kCols);
  make_cpu_sweep_backend()->products({})->multiply(left, right, expected);
  const auto products = backend().products({});
  std::vector<float> out(kRows * kCols);
  products->multiply(left, right, out);
  // Whole numbers below 2^24: exact, by whatever order.
  EXPECT_EQ(out, expected);
  const auto sum = products->sum(kRows, kCols);
  sum->add(left, right);
  sum->add(left, right);
  sum->read(out);
  for (float& value : expected) value *= 2;
  EXPECT_EQ(out, expected);

  // No TF32, which keeps 11 bits of this.
  const float fine = 1 + 0x1p-20F;
  float product = 0;
  products->multiply({&fine, 1, 1, 1}, {&fine, 1, 1, 1}, {&product, 1});
  EXPECT_EQ(product, fine * fine);
}

}  // namespace
}  // namespace contourfuse
