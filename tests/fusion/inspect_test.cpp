// Tests of inspect: the documents of docs/cli.md, to the letter.
#include "contourfuse/fusion/inspect.hpp"

#include <gtest/gtest.h>

#include "contourfuse/core/error.hpp"
#include "contourfuse/neuron/bank.hpp"
#include "contourfuse/neuron/recipe.hpp"
#include "fusion/tiny_checkpoint.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

std::string size_of(const std::filesystem::path& path) {
  return std::to_string(std::filesystem::file_size(path));
}

/// Two sources, four gains.
NeuronBank small_bank() {
  NeuronBank bank;
  bank.activation = Activation::kSilu;
  for (const char* name : {"first", "second"}) {
    bank.sources.push_back({.name = name,
                            .function = PiecewiseLinear({1.0}, {0.0, 1.0}),
                            .gains = {0.5F, 1, 2, 32},
                            .coefficients = {1, 0.5F, -0.25F, 2}});
  }
  return bank;
}

TEST(Inspect, ACheckpoint) {
  const test::TemporaryFolder folder;
  test::write_tiny_checkpoint(folder.path());
  const std::string expected =
      R"({"kind":"checkpoint","family":"llama","layers":[{"layer":0,"kind":"global",)"
      R"("hidden_size":4,"intermediate_size":6,"double_wide":false,"gate":")" +
      test::kGate + R"(","up":")" + test::kUp + R"(","down":")" + test::kDown +
      R"("}],"shards":[{"file":")" + test::kShard1 + R"(","bytes":)" +
      size_of(folder.path() / test::kShard1) + R"(,"tensors":3},{"file":")" + test::kShard2 +
      R"(","bytes":)" + size_of(folder.path() / test::kShard2) +
      R"(,"tensors":2}],"tensor_bytes":192,"mlp_bytes":144,"activation":"silu"})";
  EXPECT_EQ(inspect(folder.path().string(), {}).dump(), expected);
  EXPECT_EQ(inspect(folder.path().string(), 0).dump(), expected);
  EXPECT_THROW(static_cast<void>(inspect(folder.path().string(), 1)), Error);
}

TEST(Inspect, SaysWhenAManifestIsDamaged) {
  const test::TemporaryFolder folder;
  test::write_tiny_checkpoint(folder.path());
  test::write_bytes(folder.path() / "contourfuse.json", "{}\n");
  const auto document = inspect(folder.path().string(), {});
  EXPECT_EQ(document["kind"], "checkpoint");
  EXPECT_TRUE(document["fused"].contains("damaged"));
}

TEST(Inspect, AFile) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  test::write_bytes(
      path, test::safetensors_bytes({{"a", "U8", "[2,1]", "xy"}, {"b", "F64", "[]", "01234567"}}));
  EXPECT_EQ(
      inspect(path.string(), {}).dump(),
      R"({"kind":"file","tensors":[{"name":"a","dtype":"U8","shape":[2,1],"begin":0,"end":2},)"
      R"({"name":"b","dtype":"F64","shape":[],"begin":2,"end":10}],"metadata":{}})");
}

TEST(Inspect, ABank) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "bank.safetensors";
  write_bank(small_bank(), path, Durability::kNone);
  const auto document = inspect(path.string(), {});
  EXPECT_EQ(document["kind"], "bank");
  EXPECT_EQ(document["activation"], "silu");
  ASSERT_EQ(document["sources"].size(), 2U);
  EXPECT_EQ(document["sources"][1]["name"], "second");
  EXPECT_EQ(document["sources"][1]["knots"].dump(), "[1.0]");
  EXPECT_EQ(document["sources"][1]["slopes"].dump(), "[0.0,1.0]");
}

TEST(Inspect, ADeltaAndItsCells) {
  const test::TemporaryFolder folder;
  DeltaRecipe recipe;
  recipe.stored = false;
  recipe.seed = 7;
  recipe.bank = small_bank();
  recipe.family = "llama";
  recipe.hidden_size = 16;
  recipe.base_digest = std::string(32, '0');
  recipe.layers = {{.layer = 3, .hidden_size = 16, .intermediate_size = 20, .cells = 2}};
  test::write_bytes(folder.path() / "delta.json", recipe_text(recipe));
  EXPECT_EQ(inspect(folder.path().string(), {}).dump(),
            R"({"kind":"delta","stored":false,"seed":7,"layers":[{"layer":3,"kind":"global",)"
            R"("intermediate_size":20,"cells":2,"gains_per_cell":4}]})");
  const auto document = inspect((folder.path() / "delta.json").string(), 3);
  ASSERT_EQ(document["cells"].size(), 2U);
  const auto& cell = document["cells"][1];
  EXPECT_EQ(cell["first_neuron"], 8);
  EXPECT_EQ(cell["neurons"], 8);
  EXPECT_TRUE(cell["source"] == "first" || cell["source"] == "second");
  EXPECT_GE(cell["frame"].get<int>(), 1);
  EXPECT_LT(cell["output_frame"].get<int>(), 16);
  EXPECT_THROW(static_cast<void>(inspect(folder.path().string(), 4)), Error);
}

TEST(Inspect, ADeltaOfAnotherTool) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder.path() / "d.safetensors",
                    test::safetensors_bytes({{test::kGate, "F32", "[0]", ""}}));
  const auto document = inspect(folder.path().string(), {});
  EXPECT_EQ(document["kind"], "delta");
  EXPECT_EQ(document["layers"][0]["layer"], 0);
}

TEST(Inspect, WhatIsNotThere) {
  try {
    static_cast<void>(inspect("/nowhere/at/all", {}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::kBadInput);
  }
}

}  // namespace
}  // namespace contourfuse
