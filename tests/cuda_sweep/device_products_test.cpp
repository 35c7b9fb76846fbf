// Matrix products on emulated devices, and what a library is asked for.
#include <gtest/gtest.h>

#include <random>
#include <span>
#include <string>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "cuda_sweep/emulated_sweep.hpp"

namespace contourfuse {
namespace {

using test::EmulatedSweep;

/// Whole numbers, whose products and sums are exact in any order.
class Operand {
 public:
  Operand(std::uint64_t rows, std::uint64_t cols, std::uint64_t stride, unsigned seed)
      : values_(rows * stride, 1e30F), view_{values_.data(), rows, cols, stride} {
    std::mt19937 random(seed);
    for (std::uint64_t row = 0; row < rows; ++row) {
      for (std::uint64_t col = 0; col < cols; ++col) {
        values_[row * stride + col] = static_cast<float>(static_cast<int>(random() % 15) - 7);
      }
    }
  }
  [[nodiscard]] const FloatMatrix& view() const { return view_; }
  [[nodiscard]] float at(std::uint64_t row, std::uint64_t col) const {
    return values_[row * view_.stride + col];
  }

 private:
  std::vector<float> values_;
  FloatMatrix view_;
};

std::vector<float> product(const Operand& a, const Operand& b, float times = 1) {
  std::vector<float> out;
  for (std::uint64_t row = 0; row < a.view().rows; ++row) {
    for (std::uint64_t col = 0; col < b.view().rows; ++col) {
      float sum = 0;
      for (std::uint64_t i = 0; i < a.view().cols; ++i) sum += a.at(row, i) * b.at(col, i);
      out.push_back(times * sum);
    }
  }
  return out;
}

TEST(DeviceProducts, MultipliesRowsByRows) {
  EmulatedSweep sweep;
  const auto products = sweep.backend->products({});
  const std::uint64_t shapes[][3] = {{1, 1, 1}, {3, 5, 7}, {17, 2, 600}, {40, 41, 33}};
  for (const auto& [rows, cols, inner] : shapes) {
    const Operand a(rows, inner, inner + 3, 1);
    const Operand b(cols, inner, inner, 2);
    std::vector<float> out(rows * cols, -1.0F);
    products->multiply(a.view(), b.view(), out);
    EXPECT_EQ(out, product(a, b)) << rows << " by " << cols << " by " << inner;
  }
}

TEST(DeviceProducts, AnEmptySumIsZero) {
  EmulatedSweep sweep;
  const auto products = sweep.backend->products({});
  std::vector<float> out(6, -1.0F);
  products->multiply({nullptr, 2, 0, 0}, {nullptr, 3, 0, 0}, out);
  EXPECT_EQ(out, std::vector<float>(6, 0.0F));
  out.assign(6, -1.0F);
  products->sum(2, 3)->read(out);
  EXPECT_EQ(out, std::vector<float>(6, 0.0F));
}

TEST(DeviceProducts, AddsUpInPlace) {
  EmulatedSweep sweep;
  const auto products = sweep.backend->products({});
  const Operand a(6, 90, 90, 3);
  const Operand b(4, 90, 100, 4);
  const auto sum = products->sum(6, 4);
  const auto other = products->sum(4, 6);
  std::vector<float> out(24);
  for (int times = 1; times <= 3; ++times) {
    sum->add(a.view(), b.view());
    other->add(b.view(), a.view());
    sum->read(out);
    EXPECT_EQ(out, product(a, b, static_cast<float>(times)));
  }
  other->read(out);
  EXPECT_EQ(out, product(b, a, 3));
}

TEST(DeviceProducts, TakesTurnsWithGrids) {
  EmulatedSweep sweep;
  const test::MatrixSpec spec{3, 500, 3, 500};
  test::GridFixture fixture(spec, test::normal_elements(spec.dtype, 1500, 1, 0.05F),
                            test::normal_elements(spec.delta_dtype, 1500, 2, 0.8F));
  fixture.job.values = {0.5, 1};
  const auto products = sweep.backend->products({});
  const Operand a(5, 64, 64, 5);
  const Operand b(7, 64, 64, 6);
  const auto sum = products->sum(5, 7);
  sum->add(a.view(), b.view());
  const MatrixGrid grid = sweep.backend->measure(fixture.job, {});
  sum->add(a.view(), b.view());
  std::vector<float> out(35);
  sum->read(out);
  EXPECT_EQ(out, product(a, b, 2));
  test::expect_same_grid(grid, make_cpu_sweep_backend()->measure(fixture.job, {}), "between");
}

TEST(DeviceProducts, SayAtOnceThatThereIsNoLibrary) {
  test::DeviceLedger ledger;
  std::vector<device::SweepDevice> devices;
  devices.push_back(test::emulated_sweep_device({}, ledger));
  devices.back().make_multiplier =
      [](device::Device&) -> std::unique_ptr<device::MatrixMultiplier> {
    throw Error(Failure::kBadInput, "device-unavailable", "no library");
  };
  const auto backend = make_device_sweep_backend(std::move(devices), EmulatedSweep::small());
  try {
    static_cast<void>(backend->products({}));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), "device-unavailable");
  }
}

}  // namespace
}  // namespace contourfuse
