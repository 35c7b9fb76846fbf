// Opening deltas of both kinds, and folders that are no whole delta.
#include "contourfuse/fusion/delta.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "contourfuse/neuron/recipe.hpp"
#include "fusion/fusing.hpp"
#include "support/error_of.hpp"

namespace contourfuse {
namespace {

using test::bf16_bytes;
using test::kDown;
using test::kGate;
using test::kUp;

class DeltaFolder : public test::Fusing {
 protected:
  [[nodiscard]] Error open_error() const {
    return test::error_of([&] { static_cast<void>(Delta::open(delta())); });
  }
  void write_index(const std::string& entries) const {
    test::write_bytes(delta() / "delta.safetensors.index.json",
                      R"({"metadata":{},"weight_map":{)" + entries + "}}");
  }
  [[nodiscard]] MlpLayer layer() const { return *open_checkpoint(base().string()).find_layer(0); }
};

TEST_F(DeltaFolder, OfAnotherToolIsReadByTheBasesNames) {
  write_whole_delta();
  const Delta delta = Delta::open(this->delta());
  EXPECT_FALSE(delta.recipe().has_value());
  EXPECT_FALSE(delta.on_the_fly());
  EXPECT_EQ(delta.tensor_names(), (std::vector<std::string>{kDown, kGate}));
  const auto found = delta.find(layer(), Role::kDown);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->shape, (Shape{4, 6}));
  EXPECT_EQ(found->dtype, DType::kBF16);
  EXPECT_FALSE(delta.find(layer(), Role::kUp).has_value());
  EXPECT_EQ(delta.place(layer(), Role::kGate), (this->delta() / "delta.safetensors").string());
}

TEST_F(DeltaFolder, ReadsElementsFromAnywhere) {
  write_whole_delta();
  const Delta delta = Delta::open(this->delta());
  const auto reader = delta.reader(layer(), Role::kDown);
  EXPECT_TRUE(reader->stored());
  std::string bytes(10, '\0');
  reader->read(7, std::as_writable_bytes(std::span(bytes)));
  EXPECT_EQ(bytes, bf16_bytes(24, 9).substr(14, 10));
}

TEST_F(DeltaFolder, ThatIsMissingOrEmptyIsRefused) {
  EXPECT_EQ(open_error().kind(), "weights-not-found");
  EXPECT_EQ(open_error().failure(), Failure::kBadInput);
  EXPECT_EQ(open_error().place().file, delta().string());
  EXPECT_FALSE(open_error().hint().empty());
  std::filesystem::create_directories(delta());
  EXPECT_EQ(open_error().kind(), "weights-not-found");
  test::write_bytes(delta() / ".hidden.safetensors", "not looked at");
  EXPECT_EQ(open_error().kind(), "weights-not-found");
}

TEST_F(DeltaFolder, WithATensorTwiceIsRefused) {
  write_whole_delta();
  test::write_bytes(delta() / "more.safetensors",
                    test::safetensors_bytes({{kGate, "BF16", "[1,1]", "ab"}}));
  const Error error = open_error();
  EXPECT_EQ(error.kind(), "delta-tensor-twice");
  EXPECT_EQ(error.place().tensor, kGate);
  EXPECT_EQ(error.place().file, (delta() / "more.safetensors").string());
  EXPECT_NE(error.message().find("delta.safetensors"), std::string::npos);
}

TEST_F(DeltaFolder, WithAMissingShardIsIncomplete) {
  write_whole_delta();
  write_index('"' + kGate + R"(":"delta.safetensors",")" + kDown + R"(":"delta.safetensors")");
  EXPECT_EQ(open_error().kind(), "none");
  write_index('"' + kGate + R"(":"delta.safetensors",")" + kUp + R"(":"delta-2.safetensors")");
  const Error error = open_error();
  EXPECT_EQ(error.kind(), "delta-incomplete");
  EXPECT_EQ(error.failure(), Failure::kBadInput);
  EXPECT_EQ(error.place().tensor, kUp);
  EXPECT_EQ(error.place().file, (delta() / "delta.safetensors.index.json").string());
}

TEST_F(DeltaFolder, WhoseTensorLiesElsewhereThanTheIndexSaysIsIncomplete) {
  write_whole_delta();
  write_index('"' + kGate + R"(":"other.safetensors")");
  EXPECT_EQ(open_error().kind(), "delta-incomplete");
  write_index('"' + kGate + R"(":3)");
  EXPECT_EQ(open_error().kind(), "delta-incomplete");
}

TEST_F(DeltaFolder, WithAnIndexThatMapsNothingIsRefused) {
  write_whole_delta();
  test::write_bytes(delta() / "model.safetensors.index.json", R"({"weight_map":[]})");
  EXPECT_EQ(open_error().kind(), "json-field");
}

/// A recipe for the tiny checkpoint, of one neuron without functions of its own.
DeltaRecipe small_recipe(bool stored) {
  DeltaRecipe recipe;
  recipe.stored = stored;
  recipe.bank.activation = Activation::kSilu;
  recipe.bank.sources.push_back({.name = "only",
                                 .function = PiecewiseLinear({1.0}, {0.0, 1.0}),
                                 .gains = {1},
                                 .coefficients = {0.5F}});
  recipe.family = "llama";
  recipe.hidden_size = 4;
  recipe.base_digest = "digest";
  recipe.layers.push_back({.layer = 0,
                           .kind = LayerKind::kGlobal,
                           .hidden_size = 4,
                           .intermediate_size = 6,
                           .cells = 3});
  return recipe;
}

TEST_F(DeltaFolder, WhoseIndexNamesAPathIsRefused) {
  write_whole_delta();
  for (const std::string path : {"../delta/delta.safetensors", "./delta.safetensors", "..",
                                 "/etc/passwd", "", "delta.safetensors/"}) {
    write_index('"' + kGate + "\":\"" + path + '"');
    EXPECT_EQ(open_error().kind(), "delta-incomplete") << path;
  }
}

TEST_F(DeltaFolder, WithALinkThatLeavesItIsRefused) {
  for (const char* name : {"delta.safetensors", "delta.json", "delta.safetensors.index.json"}) {
    std::filesystem::remove_all(delta());
    write_whole_delta();
    write_index('"' + kGate + R"(":"delta.safetensors")");
    test::write_bytes(delta() / "delta.json", recipe_text(small_recipe(true)));
    EXPECT_EQ(open_error().kind(), "none") << name;
    std::filesystem::rename(delta() / name, delta().parent_path() / "elsewhere");
    for (const auto& [target, kind] : std::vector<std::pair<std::string, std::string>>{
             {"../elsewhere", "link-leaves-folder"},
             {delta().parent_path() / "elsewhere", "link-leaves-folder"},
             {"inside", "none"}}) {
      std::filesystem::remove(delta() / name);
      std::filesystem::create_symlink(target, delta() / name);
      if (target == "inside") {
        std::filesystem::rename(delta().parent_path() / "elsewhere", delta() / "inside");
      }
      EXPECT_EQ(open_error().kind(), kind) << name << " -> " << target;
    }
  }
}

TEST_F(DeltaFolder, OfARecipeIsMadeOnTheFly) {
  test::write_bytes(delta() / "delta.json", recipe_text(small_recipe(false)));
  const Delta delta = Delta::open(this->delta());
  EXPECT_TRUE(delta.on_the_fly());
  EXPECT_TRUE(delta.tensor_names().empty());
  EXPECT_EQ(delta.find(layer(), Role::kGate)->shape, (Shape{6, 4}));
  EXPECT_EQ(delta.find(layer(), Role::kDown)->shape, (Shape{4, 6}));
  const auto reader = delta.reader(layer(), Role::kDown);
  EXPECT_FALSE(reader->stored());
  std::vector<std::uint16_t> whole(24, 0xFFFF);
  std::vector<std::uint16_t> part(5);
  reader->read(0, std::as_writable_bytes(std::span(whole)));
  reader->read(9, std::as_writable_bytes(std::span(part)));
  EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + 9));
  EXPECT_NE(whole, std::vector<std::uint16_t>(24, 0));
}

TEST_F(DeltaFolder, ARecipeFileAloneSuffices) {
  const auto file = folder.path() / "delta.json";
  test::write_bytes(file, recipe_text(small_recipe(true)));
  EXPECT_TRUE(Delta::open(file).on_the_fly());
  EXPECT_EQ(Delta::open(file).place(layer(), Role::kGate), file.string());
}

TEST_F(DeltaFolder, WithARecipeAndItsTensorsIsStored) {
  test::write_bytes(delta() / "delta.json", recipe_text(small_recipe(true)));
  EXPECT_EQ(open_error().kind(), "weights-not-found");  // only the recipe was copied
  write_whole_delta();
  const Delta delta = Delta::open(this->delta());
  EXPECT_TRUE(delta.recipe().has_value());
  EXPECT_FALSE(delta.on_the_fly());
  EXPECT_TRUE(delta.reader(layer(), Role::kGate)->stored());
}

}  // namespace
}  // namespace contourfuse
