// Fuses on a GPU through the module: files, results and errors are those of the CPU.
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "backend/cpu/fuse_fixture.hpp"
#include "gpu/usable_gpu.hpp"

namespace contourfuse {
namespace {

using test::FuseFixture;

constexpr DType kTypes[] = {DType::kBF16, DType::kF16, DType::kF32};
constexpr ScfRole kRoles[] = {ScfRole::kDown, ScfRole::kGate};
constexpr std::uint64_t kPinnedBytes = 64'000'000;

class GpuFuse : public test::UsableGpu {
 protected:
  [[nodiscard]] std::function<std::unique_ptr<Backend>()> on_gpu(
      std::uint64_t pinned_bytes = kPinnedBytes) const {
    return [this, pinned_bytes] { return make_cuda_backend(ordinals(), pinned_bytes); };
  }
};

void expect_same(const MatrixResult& gpu, const MatrixResult& cpu, const std::string& which) {
  EXPECT_EQ(gpu.sigma_weight, cpu.sigma_weight) << which;
  EXPECT_EQ(gpu.sigma_delta, cpu.sigma_delta) << which;
  EXPECT_EQ(gpu.alpha_dynamic, cpu.alpha_dynamic) << which;
  EXPECT_EQ(gpu.delta_is_zero, cpu.delta_is_zero) << which;
  EXPECT_TRUE(test::same_counts(gpu.counts, cpu.counts)) << which;
  EXPECT_TRUE(test::same_sums(gpu.sums, cpu.sums)) << which;
  EXPECT_EQ(gpu.weight_hash, cpu.weight_hash) << which;
  EXPECT_EQ(gpu.delta_hash, cpu.delta_hash) << which;
}

void expect_same(const FuseFixture::Outcome& gpu, const FuseFixture::Outcome& cpu,
                 const FuseJob& job) {
  ASSERT_EQ(gpu.files.size(), cpu.files.size());
  for (std::size_t i = 0; i < cpu.files.size(); ++i) {
    EXPECT_TRUE(gpu.files[i] == cpu.files[i]) << "shard " << i;
    EXPECT_EQ(gpu.results.shards[i].source_hash, cpu.results.shards[i].source_hash) << i;
    EXPECT_EQ(gpu.results.shards[i].target_hash, cpu.results.shards[i].target_hash) << i;
  }
  ASSERT_EQ(gpu.results.matrices.size(), cpu.results.matrices.size());
  for (std::size_t i = 0; i < cpu.results.matrices.size(); ++i) {
    expect_same(gpu.results.matrices[i], cpu.results.matrices[i], job.matrices[i].name);
  }
}

/// Every pair of types and both roles, over shapes with tails, parts and odd offsets.
void fill(FuseFixture& fuse) {
  for (const DType weight : kTypes) {
    for (const DType delta : kTypes) {
      fuse.add_shard();
      fuse.add_bytes(1001);
      for (const ScfRole role : kRoles) {
        fuse.add_matrix({600, 500, 600, 500, weight, delta, role});
        fuse.add_matrix({300, 1000, 299, 999, weight, delta, role});
        fuse.add_matrix({1, 1, 1, 1, weight, delta, role});
        fuse.add_matrix({4, 4, 0, 0, weight, delta, role});
        fuse.add_bytes(77);
      }
    }
  }
}

void restart(FuseFixture& fuse) {
  for (test::MemoryDelta& delta : fuse.deltas) delta.restart();
}

TEST_F(GpuFuse, GivesTheBitsOfTheCpu) {
  for (const AlphaRule rule :
       {AlphaRule::kSigmaRatio, AlphaRule::kInverseSigma, AlphaRule::kPlain}) {
    for (const bool stochastic : {false, true}) {
      FuseFixture fuse;
      fill(fuse);
      fuse.job.numbers = {.alpha = 0.7,
                          .gamma = 0.3F,
                          .alpha_rule = rule,
                          .stochastic = stochastic,
                          .rounding_seed = 42,
                          .keep_nonfinite = false};
      // A single element has no spread to norm with.
      if (rule != AlphaRule::kPlain) {
        std::erase_if(fuse.job.matrices, [](const MatrixJob& matrix) {
          return matrix.covered() == 1 && matrix.role == ScfRole::kDown;
        });
      }
      const auto cpu = fuse.run(0);
      restart(fuse);
      fuse.make_backend = on_gpu();
      expect_same(fuse.run(0), cpu, fuse.job);
    }
  }
}

TEST_F(GpuFuse, GivesThemInLargeMatricesWithLittlePinnedMemory) {
  FuseFixture fuse;
  fuse.add_shard();
  fuse.add_bytes(12345);
  for (const ScfRole role : kRoles) {
    fuse.add_matrix({2688, 5376, 2688, 5376, DType::kBF16, DType::kBF16, role});
    fuse.add_matrix({1000, 5376, 990, 5000, DType::kBF16, DType::kF32, role});
  }
  fuse.job.numbers = {.alpha = 0.02, .gamma = 0.05F, .alpha_rule = AlphaRule::kSigmaRatio};
  const auto cpu = fuse.run(0);
  restart(fuse);
  constexpr std::uint64_t kLittle = 4'000'000;
  fuse.make_backend = on_gpu(kLittle);
  expect_same(fuse.run(0), cpu, fuse.job);
}

TEST_F(GpuFuse, RefusesWhatTheCpuRefuses) {
  constexpr std::uint32_t kBf16NaN = 0x7FC0;
  FuseFixture fuse;
  fuse.add_shard();
  fuse.add_matrix({600, 500, 600, 500, DType::kBF16, DType::kBF16, ScfRole::kDown});
  fuse.set_weight(0, 123'456, kBf16NaN);
  fuse.job.numbers = {.alpha = 0.02, .gamma = 0.05F, .alpha_rule = AlphaRule::kSigmaRatio};
  const Error cpu = test::failure_of(fuse, 0);
  restart(fuse);
  fuse.make_backend = on_gpu();
  const Error gpu = test::failure_of(fuse, 0);
  EXPECT_EQ(gpu.kind(), "non-finite");
  EXPECT_STREQ(gpu.what(), cpu.what());

  restart(fuse);
  fuse.job.numbers.keep_nonfinite = true;
  fuse.make_backend = make_cpu_backend;
  const auto kept = fuse.run(0);
  restart(fuse);
  fuse.make_backend = on_gpu();
  expect_same(fuse.run(0), kept, fuse.job);
}

}  // namespace
}  // namespace contourfuse
