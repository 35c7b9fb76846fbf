// Which tensor names are MLPs, and above all which are not.
#include "contourfuse/model/architecture.hpp"

#include <gtest/gtest.h>

namespace contourfuse {
namespace {

struct Expected {
  const char* name;
  std::uint64_t layer;
  MlpLayout layout;
  Role role;
};

TEST(Architecture, MatchesEveryFamily) {
  for (const Expected& expected : {
           Expected{"model.language_model.layers.59.mlp.gate_proj.weight", 59, MlpLayout::kDense,
                    Role::kGate},
           Expected{"model.layers.0.mlp.up_proj.weight", 0, MlpLayout::kDense, Role::kUp},
           Expected{"language_model.model.layers.10.mlp.down_proj.weight", 10, MlpLayout::kDense,
                    Role::kDown},
           Expected{"model.layers.3.mlp.gate_up_proj.weight", 3, MlpLayout::kFusedGateUp,
                    Role::kGate},
           Expected{"model.language_model.layers.2.experts.gate_up_proj", 2,
                    MlpLayout::kExpertTensors, Role::kGate},
           Expected{"model.language_model.layers.2.experts.down_proj", 2, MlpLayout::kExpertTensors,
                    Role::kDown},
           Expected{"model.layers.4.mlp.experts.127.up_proj.weight", 4,
                    MlpLayout::kExpertsPerTensor, Role::kUp},
           Expected{"model.layers.4.block_sparse_moe.experts.7.w1.weight", 4,
                    MlpLayout::kExpertsPerTensor, Role::kGate},
           Expected{"model.layers.4.block_sparse_moe.experts.7.w3.weight", 4,
                    MlpLayout::kExpertsPerTensor, Role::kUp},
           Expected{"model.layers.4.block_sparse_moe.experts.7.w2.weight", 4,
                    MlpLayout::kExpertsPerTensor, Role::kDown},
       }) {
    const auto found = match_mlp_name(expected.name);
    ASSERT_TRUE(found.has_value()) << expected.name;
    EXPECT_EQ(found->layer, expected.layer) << expected.name;
    EXPECT_EQ(found->layout, expected.layout) << expected.name;
    EXPECT_EQ(found->role, expected.role) << expected.name;
  }
}

TEST(Architecture, NeverMatchesDecoys) {
  for (const char* name : {"model.vision_tower.encoder.layers.5.mlp.gate_proj.linear.weight",
                           "model.vision_tower.encoder.layers.5.mlp.gate_proj.input_min",
                           "model.vision_tower.encoder.layers.5.mlp.gate_proj.weight",
                           "model.audio_tower.layers.5.feed_forward1.ffw_layer_1.linear.weight",
                           "model.language_model.layers.5.per_layer_projection.weight",
                           "model.language_model.layers.5.mlp.gate_proj.bias",
                           "model.language_model.layers.5.mlp.gate_proj.weight.extra",
                           "model.language_model.layers.5.mlp.gate_proj.qweight",
                           "xmodel.layers.5.mlp.gate_proj.weight",
                           "model.layers.05.mlp.gate_proj.weight",
                           "model.layers.+5.mlp.gate_proj.weight",
                           "model.layers.-5.mlp.gate_proj.weight",
                           "model.layers..mlp.gate_proj.weight",
                           "model.layers.5",
                           "model.layers.5.",
                           "",
                           "model.layers.99999999999999999999.mlp.gate_proj.weight",
                           "model.layers.2147483649.mlp.gate_proj.weight",
                           "model.layers.5.mlp.shared_expert.gate_proj.weight",
                           "model.layers.5.mlp.gate.weight",
                           "model.layers.5.mlp.experts.x.up_proj.weight",
                           "layers.5.mlp.gate_proj.weight"}) {
    EXPECT_FALSE(match_mlp_name(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace contourfuse
