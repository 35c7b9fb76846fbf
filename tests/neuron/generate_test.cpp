// Delta folders: what is in them, from a checkpoint and from a configuration alone.
#include "contourfuse/neuron/generate.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "contourfuse/core/cancellation.hpp"
#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/safetensors.hpp"
#include "contourfuse/neuron/generator.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

class Generate : public testing::Test {
 protected:
  void SetUp() override {
    settings_ = {.base_model = std::string(CONTOURFUSE_SOURCE_DIR) + "/examples/tiny-gemma4",
                 .output = folder_ / "delta",
                 .durability = Durability::kNone};
  }

  void use_config(const std::string& text) {
    folder_.write("model/config.json", text);
    settings_.base_model = (folder_ / "model").string();
    settings_.config_only = true;
  }

  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()));
  }

  test::TemporaryFolder folder_{};
  GenerateSettings settings_;
};

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Every tensor of the layer's file against the generator.
void expect_layer(const fs::path& folder, const DeltaRecipe& recipe, std::uint64_t layer,
                  const std::string& prefix) {
  const LayerGenerator generator(recipe, *recipe.find_layer(layer));
  const fs::path path = folder / ("delta-layer-0000" + std::to_string(layer) + ".safetensors");
  const SafetensorsHeader header = read_safetensors_header(path);
  ASSERT_EQ(header.tensors().size(), 3U);
  const File file = File::open(path);
  for (const Role role : {Role::kGate, Role::kUp, Role::kDown}) {
    const std::string name =
        prefix + std::to_string(layer) + ".mlp." + std::string(to_string(role)) + "_proj.weight";
    const TensorInfo* tensor = header.find(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(tensor->dtype, DType::kBF16);
    EXPECT_EQ(tensor->shape, (Shape{generator.rows(role), generator.cols(role)}));
    std::vector<std::uint16_t> stored(generator.rows(role) * generator.cols(role));
    file.read(header.file_range(*tensor).begin, std::as_writable_bytes(std::span(stored)));
    std::vector<std::uint16_t> made(stored.size());
    generator.generate(role, 0, made);
    EXPECT_EQ(stored, made) << name;
  }
}

TEST_F(Generate, WritesTheSelectedLayersOfACheckpoint) {
  settings_.layers = {"global"};
  const GenerateResult result = generate_delta(settings_, {});
  ASSERT_EQ(result.recipe.layers.size(), 2U);
  expect_layer(settings_.output, result.recipe, 5, "model.layers.");
  const DeltaRecipe stored = read_recipe(settings_.output / "delta.json");
  EXPECT_TRUE(stored.stored);
  EXPECT_EQ(recipe_text(stored), recipe_text(result.recipe));
  EXPECT_EQ(stored.layers[1].layer, 11U);
  EXPECT_EQ(stored.layers[1].cells, 32U);
  EXPECT_FALSE(stored.base_digest.empty());
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(settings_.output)) bytes += entry.file_size();
  EXPECT_EQ(result.bytes_written, bytes);
  const auto index =
      nlohmann::json::parse(bytes_of(settings_.output / "delta.safetensors.index.json"));
  EXPECT_EQ(index.at("metadata").at("total_size"), 2U * 3 * 128 * 512 * 2);
  EXPECT_EQ(index.at("weight_map").at("model.layers.11.mlp.down_proj.weight"),
            "delta-layer-00011.safetensors");
  EXPECT_EQ(entries(), 1U);  // nothing beside the output
}

TEST_F(Generate, IsTheSameForAnyNumberOfThreads) {
  use_config(R"({"model_type":"gemma4","text_config":{"hidden_size":1000,"intermediate_size":1031,
    "num_hidden_layers":6,"hidden_activation":"gelu_pytorch_tanh"}})");
  settings_.layers = {"5"};
  settings_.output = folder_ / "one";
  const GenerateResult result = generate_delta(settings_, {.threads = 1});
  settings_.output = folder_ / "four";
  settings_.durability = Durability::kFull;
  static_cast<void>(generate_delta(settings_, {.threads = 4}));
  expect_layer(folder_ / "one", result.recipe, 5, "model.language_model.layers.");
  for (const char* name : {"delta.json", "delta-layer-00005.safetensors"}) {
    EXPECT_EQ(bytes_of(folder_ / "one" / name), bytes_of(folder_ / "four" / name)) << name;
  }
}

TEST_F(Generate, ConfigOnlyFollowsTheDoubleWideRule) {
  use_config(R"({"model_type":"gemma4","text_config":{"hidden_size":32,"intermediate_size":64,
    "num_hidden_layers":5,"num_kv_shared_layers":2,"use_double_wide_mlp":true,
    "hidden_activation":"gelu_pytorch_tanh"}})");
  const GenerateResult result = generate_delta(settings_, {});
  ASSERT_EQ(result.recipe.layers.size(), 5U);
  EXPECT_EQ(result.recipe.layers[2].intermediate_size, 64U);
  EXPECT_EQ(result.recipe.layers[3].intermediate_size, 128U);
  expect_layer(settings_.output, result.recipe, 3, "model.language_model.layers.");
}

TEST_F(Generate, RecipeOnlyWritesOneFile) {
  settings_.recipe_only = true;
  const GenerateResult result = generate_delta(settings_, {});
  EXPECT_FALSE(read_recipe(settings_.output / "delta.json").stored);
  EXPECT_EQ(result.recipe.layers.size(), 12U);
  EXPECT_EQ(std::distance(fs::directory_iterator(settings_.output), fs::directory_iterator()), 1);
}

TEST_F(Generate, RefusesWithoutLeavingAnything) {
  const auto kind_of = [&]() -> std::string {
    try {
      static_cast<void>(generate_delta(settings_, {}));
    } catch (const Error& error) {
      return error.kind();
    }
    return "accepted";
  };
  settings_.output = settings_.base_model + "/delta";
  EXPECT_EQ(kind_of(), "output-overlaps-input");
  settings_.output = folder_ / "delta";
  settings_.gate_scale = -1;
  EXPECT_EQ(kind_of(), "bad-scale");
  settings_.gate_scale = 1;
  settings_.bank = folder_ / "bank.safetensors";
  write_bank(make_default_bank(Activation::kSilu), *settings_.bank, Durability::kNone);
  EXPECT_EQ(kind_of(), "activation-mismatch");
  settings_.bank.reset();
  Cancellation cancellation;
  cancellation.request();
  EXPECT_THROW(static_cast<void>(generate_delta(settings_, {.cancellation = &cancellation})),
               Error);
  EXPECT_EQ(entries(), 1U);  // the bank alone
  settings_.layers = {"0"};
  EXPECT_EQ(kind_of(), "accepted");
  EXPECT_EQ(kind_of(), "output-exists");
  settings_.overwrite = true;
  EXPECT_EQ(kind_of(), "accepted");
}

}  // namespace
}  // namespace contourfuse
