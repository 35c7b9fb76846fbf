// config.json: nesting, missing values, limits, layer kinds, widths.
#include "contourfuse/model/config.hpp"

#include <gtest/gtest.h>

#include "support/error_of.hpp"

namespace contourfuse {
namespace {

ModelConfig parse(std::string_view text) { return parse_config(text, "config.json"); }

std::vector<std::uint64_t> globals(const ModelConfig& config, std::uint64_t layers) {
  std::vector<std::uint64_t> found;
  for (std::uint64_t n = 0; n < layers; ++n) {
    if (config.kind_of(n, layers) == LayerKind::kGlobal) found.push_back(n);
  }
  return found;
}

TEST(Config, ReadsNestedTextConfig) {
  const ModelConfig config = parse(R"({"model_type":"gemma4","hidden_size":7,"text_config":{
      "num_hidden_layers":60,"hidden_size":5376,"intermediate_size":21504,
      "hidden_activation":"gelu_pytorch_tanh","num_experts":null,"num_kv_shared_layers":0,
      "per_layer_config":{"05":{"head_dim":512}}}})");
  EXPECT_EQ(config.family, "gemma4");
  EXPECT_EQ(config.activation, "gelu_pytorch_tanh");
  EXPECT_EQ(config.layers, 60U);
  EXPECT_EQ(config.hidden_size, 5376U);
  EXPECT_EQ(config.intermediate_size, 21504U);
  EXPECT_FALSE(config.has_experts);
}

TEST(Config, ReadsTheNormsEpsilon) {
  EXPECT_EQ(parse(R"({"text_config":{"rms_norm_eps":1e-5}})").rms_norm_eps, 1e-5);
  EXPECT_FALSE(parse(R"({"rms_norm_eps":null})").rms_norm_eps.has_value());
  EXPECT_EQ(test::error_of([] { static_cast<void>(parse(R"({"rms_norm_eps":-1})")); }).kind(),
            "json-field");
  EXPECT_EQ(test::error_of([] { static_cast<void>(parse(R"({"rms_norm_eps":"x"})")); }).kind(),
            "json-field");
}

TEST(Config, ReadsFlatConfigAndTreatsNullAsMissing) {
  const ModelConfig config =
      parse(R"({"model_type":"llama","text_config":null,"hidden_act":"silu","hidden_size":null})");
  EXPECT_EQ(config.family, "llama");
  EXPECT_EQ(config.activation, "silu");
  EXPECT_FALSE(config.hidden_size.has_value());
  EXPECT_EQ(globals(config, 3), (std::vector<std::uint64_t>{0, 1, 2}));
}

TEST(Config, FindsExpertsUnderEveryName) {
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    EXPECT_TRUE(parse(std::string("{\"") + key + "\":8}").has_experts) << key;
    EXPECT_FALSE(parse(std::string("{\"") + key + "\":0}").has_experts) << key;
  }
}

TEST(Config, GemmaGlobalLayersOf31B) {
  const ModelConfig config = parse(R"({"model_type":"gemma4"})");
  EXPECT_EQ(globals(config, 60),
            (std::vector<std::uint64_t>{5, 11, 17, 23, 29, 35, 41, 47, 53, 59}));
  EXPECT_EQ(globals(config, 8), (std::vector<std::uint64_t>{5, 7}));
}

TEST(Config, Gemma2Alternates) {
  EXPECT_EQ(globals(parse(R"({"model_type":"gemma2"})"), 6), (std::vector<std::uint64_t>{1, 3, 5}));
}

TEST(Config, PatternAndTypesComeFirst) {
  EXPECT_EQ(globals(parse(R"({"model_type":"cohere2","sliding_window_pattern":4})"), 9),
            (std::vector<std::uint64_t>{3, 7}));
  EXPECT_EQ(globals(parse(R"({"model_type":"qwen3","num_hidden_layers":3,"layer_types":
            ["full_attention","sliding_attention","linear_attention"],"sliding_window_pattern":2})"),
                    3),
            (std::vector<std::uint64_t>{0, 2}));
}

TEST(Config, WidthFollowsThePublishedRule) {
  const ModelConfig config = parse(R"({"num_hidden_layers":35,"intermediate_size":6144,
      "num_kv_shared_layers":20,"use_double_wide_mlp":true})");
  EXPECT_EQ(config.intermediate_size_of(14), 6144U);
  EXPECT_EQ(config.intermediate_size_of(15), 12288U);
  EXPECT_EQ(config.intermediate_size_of(34), 12288U);
  const ModelConfig all_shared = parse(R"({"num_hidden_layers":20,"intermediate_size":6144,
      "num_kv_shared_layers":20,"use_double_wide_mlp":true})");
  EXPECT_EQ(all_shared.intermediate_size_of(19), 6144U);
  EXPECT_EQ(test::error_of([] { (void)parse("{}").intermediate_size_of(0); }).kind(),
            "config-field-missing");
}

TEST(Config, RefusesBadFields) {
  for (const char* text :
       {R"([])", R"({"num_hidden_layers":0})", R"({"num_hidden_layers":-1})",
        R"({"num_hidden_layers":2147483649})", R"({"hidden_size":2.0})", R"({"hidden_size":"8"})",
        R"({"text_config":[]})", R"({"model_type":4})", R"({"use_double_wide_mlp":1})",
        R"({"layer_types":"x"})", R"({"layer_types":[1]})",
        R"({"num_hidden_layers":3,"layer_types":["full_attention"]})",
        R"({"sliding_window_pattern":0})"}) {
    EXPECT_EQ(test::error_of([&] { (void)parse(text); }).kind(), "json-field") << text;
  }
  EXPECT_EQ(test::error_of([] { (void)parse("{\"a\":1,\"a\":2}"); }).kind(), "json-duplicate-key");
}

TEST(Config, AcceptsTheLargestSize) {
  EXPECT_EQ(parse(R"({"hidden_size":2147483648})").hidden_size, 2147483648U);
}

}  // namespace
}  // namespace contourfuse
