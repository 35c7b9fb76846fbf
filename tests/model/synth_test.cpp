// Random checkpoints: names, sizes, values, determinism.
#include "contourfuse/model/synth.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "contourfuse/io/hash.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/model/checkpoint.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "model/synth_models.hpp"
#include "model/synth_weights.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

const SynthModel& published(std::string_view name) {
  for (const SynthModel& model : synth_model_table()) {
    if (model.name == name) return model;
  }
  throw std::out_of_range("no such model");
}

std::uint64_t total_bytes(std::string_view name) {
  std::uint64_t bytes = 0;
  for (const TensorSpec& tensor : synth_tensors(published(name))) {
    bytes += *element_count(tensor.shape) * 2;
  }
  return bytes;
}

// Tensor bytes of google/gemma-4-31B, to the byte.
TEST(Synth, Has31BsPublishedSize) { EXPECT_EQ(total_bytes("31b"), 62'546'177'752U); }

// 8,030,261,248 parameters of Llama 3 8B.
TEST(Synth, HasLlamasPublishedSize) { EXPECT_EQ(total_bytes("llama"), 2U * 8'030'261'248U); }

SynthSettings small(const test::TemporaryFolder& folder, const std::string& like) {
  SynthSettings settings;
  settings.like = like;
  settings.output = folder.path() / like;
  settings.scale_denominator = 64;
  settings.durability = Durability::kNone;
  return settings;
}

TEST(Synth, EveryModelOpensAgain) {
  for (const std::string& like : synth_models()) {
    test::TemporaryFolder folder;
    SynthSettings settings = small(folder, like);
    settings.layers = 6;
    const SynthResult result = synthesize(settings, Execution{.threads = 2});
    const Checkpoint checkpoint = open_checkpoint(settings.output.string());
    EXPECT_EQ(checkpoint.layers.size(), 6U) << like;
    EXPECT_EQ(checkpoint.config.layers, 6U) << like;
    EXPECT_TRUE(checkpoint.index_problems.empty()) << like;
    EXPECT_EQ(checkpoint.tensor_bytes(), result.bytes) << like;
    EXPECT_EQ(checkpoint.by_name.size(), result.tensors) << like;
    EXPECT_EQ(checkpoint.shards.size(), result.shards) << like;
    for (const MlpLayer& layer : checkpoint.layers) {
      EXPECT_EQ(layer.intermediate_size, checkpoint.config.intermediate_size_of(layer.layer));
      EXPECT_EQ(layer.hidden_size, checkpoint.config.hidden_size);
      EXPECT_EQ(layer.hidden_size % 8, 0U);
    }
  }
}

TEST(Synth, KeepsThePublishedSplit) {
  for (const auto& [like, shards] : {std::pair("31b", 2U), std::pair("26b-a4b", 2U),
                                     std::pair("e2b", 1U), std::pair("e4b", 1U)}) {
    test::TemporaryFolder folder;
    EXPECT_EQ(synthesize(small(folder, like), Execution{}).shards, shards) << like;
    EXPECT_EQ(std::filesystem::exists(folder.path() / like / "model.safetensors.index.json"),
              shards > 1);
  }
}

TEST(Synth, E2BIsDoubleWideWherePublished) {
  test::TemporaryFolder folder;
  const SynthSettings settings = small(folder, "e2b");
  synthesize(settings, Execution{});
  const Checkpoint checkpoint = open_checkpoint(settings.output.string());
  ASSERT_EQ(checkpoint.layers.size(), 35U);
  for (const MlpLayer& layer : checkpoint.layers) {
    EXPECT_EQ(layer.double_wide, layer.layer >= 15) << layer.layer;
    EXPECT_EQ(layer.kind == LayerKind::kGlobal, layer.layer % 5 == 4) << layer.layer;
  }
}

TEST(Synth, SameBitsForAnyThreadCount) {
  test::TemporaryFolder folder;
  SynthSettings settings = small(folder, "e2b");
  std::vector<std::string> hashes;
  for (const int threads : {1, 2, 5}) {
    synthesize(settings, Execution{.threads = threads});
    hashes.push_back(hash_file(settings.output / "model.safetensors"));
    settings.overwrite = true;
  }
  EXPECT_EQ(hashes[0], hashes[1]);
  EXPECT_EQ(hashes[0], hashes[2]);
  settings.seed = 1;
  synthesize(settings, Execution{});
  EXPECT_NE(hash_file(settings.output / "model.safetensors"), hashes[0]);
}

TEST(Synth, WeightsAreNormalAndDivisible) {
  const SynthWeights weights(7, "model.layers.0.mlp.gate_proj.weight");
  std::vector<std::uint16_t> whole(1 << 18);
  weights.fill(0, whole);
  std::vector<std::uint16_t> part(1000);
  weights.fill(4321, part);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + 4321));
  double sum = 0;
  double squares = 0;
  for (const std::uint16_t stored : whole) {
    const double value = Bf16::widen(stored);
    sum += value;
    squares += value * value;
  }
  const double count = static_cast<double>(whole.size());
  // Standard error of the mean is σ/512, of the deviation about σ/724: five of each.
  EXPECT_NEAR(sum / count, 0, 5 * 0.02 / 512);
  EXPECT_NEAR(std::sqrt(squares / count), 0.02, 5 * 0.02 / 724);
}

TEST(Synth, NormsAreNearOne) {
  std::vector<std::uint16_t> values(64);
  SynthWeights(7, "model.language_model.layers.0.input_layernorm.weight").fill(0, values);
  for (const std::uint16_t value : values) EXPECT_NEAR(Bf16::widen(value), 1.0F, 0.1F);
}

TEST(Synth, SplitsAtTheGivenSizeAndInNameOrder) {
  test::TemporaryFolder folder;
  SynthSettings settings = small(folder, "llama");
  settings.layers = 3;
  settings.max_shard_bytes = 100'000;
  const SynthResult result = synthesize(settings, Execution{});
  EXPECT_GT(result.shards, 3U);
  const Checkpoint checkpoint = open_checkpoint(settings.output.string());
  for (const Shard& shard : checkpoint.shards) {
    EXPECT_TRUE(std::ranges::is_sorted(shard.header.tensors(), {}, &TensorInfo::name));
    const std::uint64_t bytes = shard.header.file_bytes() - shard.header.data_begin();
    EXPECT_TRUE(bytes <= 100'000 || shard.header.tensors().size() == 1) << shard.file;
  }
}

TEST(Synth, RefusesBadSettings) {
  test::TemporaryFolder folder;
  SynthSettings settings = small(folder, "gpt");
  const auto kind = [&settings] {
    return test::error_of([&] { synthesize(settings, Execution{}); }).kind();
  };
  EXPECT_EQ(kind(), "unknown-synth-model");
  settings.like = "llama";
  settings.scale_denominator = 0;
  EXPECT_EQ(kind(), "bad-scale");
  settings.scale_denominator = 64;
  settings.layers = 0;
  EXPECT_EQ(kind(), "bad-layers");
  settings.layers = 1;
  settings.max_shard_bytes = 0;
  EXPECT_EQ(kind(), "bad-shard-size");
  Cancellation cancellation;
  cancellation.request();
  settings.max_shard_bytes.reset();
  EXPECT_EQ(test::error_of([&] {
              synthesize(settings, Execution{.cancellation = &cancellation});
            }).kind(),
            "interrupted");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace contourfuse
