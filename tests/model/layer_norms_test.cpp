// Which norms stand around an MLP, family by family.
#include "contourfuse/model/layer_norms.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

/// A checkpoint of one layer of hidden size 2 with these norms, all of bf16 1.0 and 0.5.
class LayerNormsTest : public testing::Test {
 protected:
  void write(const std::string& family, const std::vector<std::string>& norms,
             const Shape& shape = {2}) const {
    std::vector<TensorSpec> tensors;
    std::string payload;
    for (const std::string& norm : norms) {
      tensors.push_back({"model.layers.0." + norm + ".weight", DType::kBF16, shape});
      payload += std::string("\x80\x3F\x00\x3F", 4);
    }
    for (const char* role : {"down", "gate", "up"}) {
      tensors.push_back(
          {std::string("model.layers.0.mlp.") + role + "_proj.weight", DType::kBF16, {2, 2}});
      payload += std::string(8, '\0');
    }
    folder_.write("model.safetensors", make_safetensors_header(tensors, {}) + payload);
    folder_.write("config.json", "{\"model_type\":\"" + family + "\",\"rms_norm_eps\":0.25}");
  }
  [[nodiscard]] std::pair<std::string, std::string> found() const {
    const Checkpoint checkpoint = open_checkpoint(folder_.path().string());
    const LayerNorms norms = find_layer_norms(checkpoint, checkpoint.layers.at(0));
    const auto word = [](const std::string& tensor) {
      return tensor.empty() ? tensor : tensor.substr(15, tensor.size() - 22);
    };
    return {word(norms.before), word(norms.after)};
  }
  [[nodiscard]] std::vector<float> weight(const std::string& norm) const {
    const Checkpoint checkpoint = open_checkpoint(folder_.path().string());
    const MlpLayer& layer = checkpoint.layers.at(0);
    return read_norm_weight(checkpoint, layer, find_layer_norms(checkpoint, layer),
                            "model.layers.0." + norm + ".weight");
  }
  test::TemporaryFolder folder_{};
};

using Names = std::pair<std::string, std::string>;

TEST_F(LayerNormsTest, OfGemma4StandOnBothSides) {
  write("gemma4",
        {"post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"});
  EXPECT_EQ(found(), Names("pre_feedforward_layernorm", "post_feedforward_layernorm"));
}

TEST_F(LayerNormsTest, OfADenseMlpBesideExpertsAreItsOwn) {
  write("gemma4", {"pre_feedforward_layernorm", "post_feedforward_layernorm",
                   "post_feedforward_layernorm_1"});
  EXPECT_EQ(found().second, "post_feedforward_layernorm_1");
}

TEST_F(LayerNormsTest, OfLlamaStandBeforeOnly) {
  write("llama", {"input_layernorm", "post_attention_layernorm"});
  EXPECT_EQ(found(), Names("post_attention_layernorm", ""));
}

TEST_F(LayerNormsTest, OfOlmo2StandAfterOnly) {
  write("olmo2", {"post_attention_layernorm", "post_feedforward_layernorm"});
  EXPECT_EQ(found(), Names("", "post_feedforward_layernorm"));
}

TEST_F(LayerNormsTest, MayBeMissing) {
  write("llama", {});
  EXPECT_EQ(found(), Names("", ""));
}

TEST_F(LayerNormsTest, MultiplyByTheirWeightOrByOneMore) {
  for (const char* family : {"gemma4", "gemma4_text", "gemma3n", "llama"}) {
    write(family, {"pre_feedforward_layernorm"});
    EXPECT_EQ(weight("pre_feedforward_layernorm"), (std::vector<float>{1, 0.5})) << family;
  }
  for (const char* family : {"gemma", "gemma2", "gemma3", "gemma3_text"}) {
    write(family, {"pre_feedforward_layernorm"});
    EXPECT_EQ(weight("pre_feedforward_layernorm"), (std::vector<float>{2, 1.5})) << family;
  }
}

TEST_F(LayerNormsTest, TakeTheirEpsilonFromTheConfiguration) {
  write("llama", {});
  const Checkpoint checkpoint = open_checkpoint(folder_.path().string());
  EXPECT_EQ(find_layer_norms(checkpoint, checkpoint.layers.at(0)).epsilon, 0.25);
}

TEST_F(LayerNormsTest, MustBeVectorsOfTheHiddenSize) {
  write("llama", {"post_attention_layernorm"}, {1, 2});
  EXPECT_EQ(
      test::error_of([this] { static_cast<void>(weight("post_attention_layernorm")); }).kind(),
      "bad-norm");
  EXPECT_EQ(test::error_of([this] { static_cast<void>(weight("another")); }).kind(),
            "missing-tensor");
}

}  // namespace
}  // namespace contourfuse
