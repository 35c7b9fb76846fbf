// Probes: the numbers of a seed, and files of captured rows.
#include "contourfuse/sweep/probe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "fusion/tiny_checkpoint.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

using testing::ElementsAre;
using testing::FloatEq;

constexpr std::uint64_t kSeed = 0x1234567890ABCDEF;

// From a Philox written in Python and libm's functions in f64, of two rows of an odd length.
TEST(SeededProbe, HasTheNumbersThatItsDefinitionGives) {
  const ProbeRows rows = seeded_probe(2, 5, kSeed, {});
  EXPECT_EQ(rows.tokens, 2);
  EXPECT_THAT(rows.values,
              ElementsAre(FloatEq(0.492638767F), FloatEq(-0.336244732F), FloatEq(-1.38060153F),
                          FloatEq(0.777837873F), FloatEq(-1.46053219F), FloatEq(-0.708923995F),
                          FloatEq(-0.610219836F), FloatEq(-0.871115685F), FloatEq(-1.64205813F),
                          FloatEq(-0.818450511F)));
}

TEST(SeededProbe, RowsAreTimesTheNormsWeights) {
  const std::array<float, 5> weights{1, 2, -0.5F, 0, 3};
  const ProbeRows rows = seeded_probe(2, 5, kSeed, weights);
  EXPECT_THAT(std::vector<float>(rows.values.begin() + 5, rows.values.end()),
              ElementsAre(FloatEq(-0.708923995F), FloatEq(-1.22043967F), FloatEq(0.435557842F), 0,
                          FloatEq(-2.45535159F)));
}

TEST(SeededProbe, RowsAreNormalizedAndNormal) {
  constexpr std::uint64_t kTokens = 40;
  constexpr std::uint64_t kHidden = 1000;
  const ProbeRows rows = seeded_probe(kTokens, kHidden, 1, {});
  double sum = 0;
  double fourth = 0;
  double neighbours = 0;
  for (std::uint64_t token = 0; token < kTokens; ++token) {
    double squares = 0;
    for (std::uint64_t i = 0; i < kHidden; ++i) {
      const double x = double{rows.values[token * kHidden + i]};
      squares += x * x;
      sum += x;
      fourth += x * x * x * x;
      if (i > 0) neighbours += x * double{rows.values[token * kHidden + i - 1]};
    }
    EXPECT_NEAR(squares / kHidden, 1, 1e-6);
  }
  // Five standard deviations of these means: those of x, x⁴ and x·x′ are 1, √96 and 1.
  constexpr double kCount = kTokens * kHidden;
  EXPECT_NEAR(sum / kCount, 0, 5 / std::sqrt(kCount));
  EXPECT_NEAR(fourth / kCount, 3, 5 * std::sqrt(96 / kCount));
  EXPECT_NEAR(neighbours / kCount, 0, 5 / std::sqrt(kCount));
}

TEST(SeededProbe, SeedsAndTokensDiffer) {
  const ProbeRows rows = seeded_probe(3, 8, 1, {});
  EXPECT_EQ(seeded_probe(3, 8, 1, {}).values, rows.values);
  EXPECT_NE(seeded_probe(3, 8, 2, {}).values, rows.values);
  EXPECT_NE(seeded_probe(3, 8, std::uint64_t{1} << 32, {}).values,
            seeded_probe(3, 8, 0, {}).values);
  // More tokens are the same ones and others.
  const ProbeRows more = seeded_probe(5, 8, 1, {});
  EXPECT_TRUE(std::equal(rows.values.begin(), rows.values.end(), more.values.begin()));
}

TEST(SeededProbe, RefusesWhatDoesNotFit) {
  const std::array<float, 4> weights{};
  EXPECT_EQ(test::error_of([&] { static_cast<void>(seeded_probe(1, 5, 0, weights)); }).kind(),
            "norm-shape");
  const std::uint64_t huge = std::uint64_t{1} << 40;
  EXPECT_EQ(test::error_of([&] { static_cast<void>(seeded_probe(huge, huge, 0, {})); }).kind(),
            "probe-too-large");
}

template <typename T>
std::string bytes_of(std::initializer_list<T> values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), std::data(values), bytes.size());
  return bytes;
}

class ProbeFiles : public testing::Test {
 protected:
  ProbeFile written(const std::vector<test::TinyTensor>& tensors) {
    test::write_bytes(path_, test::safetensors_bytes(tensors));
    return ProbeFile(path_);
  }
  std::string refusal(const test::TinyTensor& tensor, std::uint64_t layer = 3) {
    const ProbeFile file = written({tensor});
    try {
      static_cast<void>(file.rows(layer, 2));
    } catch (const Error& error) {
      EXPECT_EQ(error.failure(), Failure::kBadInput);
      EXPECT_EQ(error.place().file, path_.string());
      return error.kind() + ": " + error.message();
    }
    return "accepted";
  }

 private:
  test::TemporaryFolder folder_{};

 protected:
  std::filesystem::path path_ = folder_.path() / "probe.safetensors";
};

TEST_F(ProbeFiles, GiveTheRowsOfALayerInAnyFloatType) {
  const ProbeFile file =
      written({{"layers.0.mlp_input", "F32", "[1, 2]", bytes_of<float>({1.5F, -1e-3F})},
               {"layers.7.mlp_input", "BF16", "[2, 2]",
                bytes_of<std::uint16_t>({0x3F80, 0xC000, 0x0000, 0x4248})},
               {"layers.9.mlp_input", "F16", "[1, 2]", bytes_of<std::uint16_t>({0x3C00, 0xC500})}});
  EXPECT_EQ(file.rows(0, 2).tokens, 1);
  EXPECT_THAT(file.rows(0, 2).values, ElementsAre(1.5F, -1e-3F));
  EXPECT_EQ(file.rows(7, 2).tokens, 2);
  EXPECT_THAT(file.rows(7, 2).values, ElementsAre(1, -2, 0, 50));
  EXPECT_THAT(file.rows(9, 2).values, ElementsAre(1, -5));
}

TEST_F(ProbeFiles, AreRefusedWithAReason) {
  const std::string two = bytes_of<float>({1, 2});
  const std::string name = "layers.3.mlp_input";
  EXPECT_EQ(refusal({name, "F32", "[1, 2]", two}), "accepted");
  EXPECT_EQ(refusal({name, "F32", "[1, 2]", two}, 2),
            "probe-missing-layer: the probe has no rows for layer 2");
  EXPECT_EQ(refusal({name, "F32", "[2, 1]", two}),
            "probe-shape: the shape is [2, 1] instead of [tokens, 2]");
  EXPECT_EQ(refusal({name, "F32", "[2]", two}),
            "probe-shape: the shape is [2] instead of [tokens, 2]");
  EXPECT_EQ(refusal({name, "F32", "[0, 2]", ""}),
            "probe-shape: the shape is [0, 2] instead of [tokens, 2]");
  EXPECT_EQ(refusal({name, "F64", "[1, 2]", bytes_of<double>({1, 2})}),
            "probe-dtype: F64 is none of BF16, F16 and F32");
  EXPECT_EQ(refusal({name, "F32", "[2, 2]", bytes_of<float>({1, 2, 3, INFINITY})}),
            "probe-non-finite: the element in row 1, column 1 is not finite");
}

TEST_F(ProbeFiles, ThatAreNoSafetensorsAreRefused) {
  test::write_bytes(path_, "no safetensors");
  EXPECT_NE(test::error_of([&] { static_cast<void>(ProbeFile(path_)); }).kind(), "none");
  EXPECT_NE(
      test::error_of([&] { static_cast<void>(ProbeFile(path_.string() + ".absent")); }).kind(),
      "none");
}

}  // namespace
}  // namespace contourfuse
