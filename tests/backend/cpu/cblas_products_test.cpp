// Products by OpenBLAS against sums in f64.
#include "backend/cpu/cblas_products.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace contourfuse {
namespace {

struct Matrix {
  std::uint64_t rows;
  std::uint64_t cols;
  std::uint64_t stride;
  std::vector<float> values;
  [[nodiscard]] FloatMatrix view() const { return {values.data(), rows, cols, stride}; }
};

/// The elements between the rows are such that a product with them would be seen.
Matrix random_matrix(std::uint64_t rows, std::uint64_t cols, std::uint64_t gap, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Matrix matrix{rows, cols, cols + gap, std::vector<float>(rows * (cols + gap), 1e30F)};
  for (std::uint64_t i = 0; i < rows * cols; ++i) {
    matrix.values[i / cols * matrix.stride + i % cols] = uniform(random);
  }
  return matrix;
}

/// Elements are below 1, so k terms are off by no more than k²·2⁻²⁴ in any order of adding.
void expect_product(const Matrix& a, const Matrix& b, double times, const std::vector<float>& out) {
  const double bound = times * static_cast<double>(a.cols * a.cols) * 0x1p-24;
  for (std::uint64_t i = 0; i < out.size(); ++i) {
    double sum = 0;
    for (std::uint64_t k = 0; k < a.cols; ++k) {
      sum +=
          double{a.values[i / b.rows * a.stride + k]} * double{b.values[i % b.rows * b.stride + k]};
    }
    ASSERT_NEAR(out[i], times * sum, bound) << "element " << i;
  }
}

struct Shape3 {
  std::uint64_t rows, cols, inner;
};
// One element, less and more than a block, and blocks in both directions.
constexpr Shape3 kShapes[] = {{1, 1, 1}, {3, 5, 7}, {256, 256, 16}, {257, 300, 33}, {40, 700, 64}};

TEST(CblasProducts, AreTheProducts) {
  const auto products = make_cblas_products({.threads = 2});
  for (const Shape3& shape : kShapes) {
    const Matrix a = random_matrix(shape.rows, shape.inner, 3, 1);
    const Matrix b = random_matrix(shape.cols, shape.inner, 5, 2);
    std::vector<float> out(shape.rows * shape.cols, 9);
    products->multiply(a.view(), b.view(), out);
    expect_product(a, b, 1, out);
  }
}

TEST(CblasProducts, SumsStartAtZeroAndAdd) {
  const auto products = make_cblas_products({.threads = 2});
  for (const Shape3& shape : kShapes) {
    const Matrix a = random_matrix(shape.rows, shape.inner, 0, 3);
    const Matrix b = random_matrix(shape.cols, shape.inner, 1, 4);
    const auto sum = products->sum(shape.rows, shape.cols);
    std::vector<float> out(shape.rows * shape.cols, 9);
    sum->read(out);
    for (const float value : out) ASSERT_EQ(value, 0);
    sum->add(a.view(), b.view());
    sum->add(a.view(), b.view());
    sum->read(out);
    expect_product(a, b, 2, out);
  }
}

TEST(CblasProducts, AreTheSameBitsForAnyNumberOfThreads) {
  const Matrix a = random_matrix(513, 97, 0, 5);
  const Matrix b = random_matrix(300, 97, 0, 6);
  std::vector<float> one(a.rows * b.rows);
  make_cblas_products({.threads = 1})->multiply(a.view(), b.view(), one);
  for (const int threads : {2, 3, 8}) {
    std::vector<float> many(one.size());
    make_cblas_products({.threads = threads})->multiply(a.view(), b.view(), many);
    EXPECT_EQ(one, many) << threads;
  }
}

}  // namespace
}  // namespace contourfuse
