// Opening of checkpoints, good and hostile.
#include "contourfuse/model/checkpoint.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "contourfuse/model/layer_selection.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

std::string shard_text(const std::vector<TensorSpec>& tensors) {
  std::string text = make_safetensors_header(tensors, {});
  for (const TensorSpec& tensor : tensors) {
    text.append(*element_count(tensor.shape) * dtype_bits(tensor.dtype) / 8, '\0');
  }
  return text;
}

TensorSpec tensor(std::string name, Shape shape, DType dtype = DType::kBF16) {
  return {std::move(name), dtype, std::move(shape)};
}

const std::string kLayer = "model.language_model.layers.";

std::vector<TensorSpec> mlp(int layer, std::uint64_t width) {
  const std::string prefix = kLayer + std::to_string(layer) + ".mlp.";
  return {tensor(prefix + "down_proj.weight", {8, width}),
          tensor(prefix + "gate_proj.weight", {width, 8}),
          tensor(prefix + "up_proj.weight", {width, 8})};
}

/// Layer 0 in shard a, layer 1 (double-wide) in shard b, with a vision decoy.
class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_.write("config.json",
                  R"({"model_type":"gemma4","text_config":{"num_hidden_layers":2}})");
    a_ = mlp(0, 16);
    a_.push_back(tensor("model.vision_tower.encoder.layers.0.mlp.gate_proj.linear.weight", {4, 4}));
    b_ = mlp(1, 32);
    write_shards();
    write_index(index_);
  }
  void write_shards() {
    folder_.write("a.safetensors", shard_text(a_));
    folder_.write("b.safetensors", shard_text(b_));
    index_.clear();
    for (const auto& t : a_) index_ += "\"" + t.name + "\":\"a.safetensors\",";
    for (const auto& t : b_) index_ += "\"" + t.name + "\":\"b.safetensors\",";
    index_.pop_back();
  }
  void write_index(const std::string& map, const std::string& more = "") {
    folder_.write("model.safetensors.index.json", "{\"weight_map\":{" + map + "}" + more + "}");
  }
  [[nodiscard]] Checkpoint open() const { return open_checkpoint(folder_.path().string()); }
  [[nodiscard]] std::string kind() const {
    return test::error_of([this] { (void)open(); }).kind();
  }
  test::TemporaryFolder folder_{};
  std::vector<TensorSpec> a_{};
  std::vector<TensorSpec> b_{};
  std::string index_{};
};

TEST_F(CheckpointTest, FindsLayersAndSizes) {
  const Checkpoint checkpoint = open();
  ASSERT_EQ(checkpoint.layers.size(), 2U);
  EXPECT_EQ(checkpoint.layers[0].hidden_size, 8U);
  EXPECT_EQ(checkpoint.layers[0].intermediate_size, 16U);
  EXPECT_FALSE(checkpoint.layers[0].double_wide);
  EXPECT_TRUE(checkpoint.layers[1].double_wide);
  EXPECT_EQ(checkpoint.layers[0].kind, LayerKind::kSliding);
  EXPECT_EQ(checkpoint.layers[1].kind, LayerKind::kGlobal);
  EXPECT_EQ(checkpoint.tensor_bytes(), 2U * (3 * 8 * 16 + 16 + 3 * 8 * 32));
  EXPECT_EQ(checkpoint.mlp_bytes(), 2U * (3 * 8 * 16 + 3 * 8 * 32));
  EXPECT_TRUE(checkpoint.index_problems.empty());
  const auto& up = checkpoint.layers[1].role(Role::kUp);
  ASSERT_TRUE(up.has_value());
  EXPECT_EQ(checkpoint.shards[up->shard].file, "b.safetensors");
  EXPECT_EQ(up->view.file_offset,
            checkpoint.shards[up->shard].header.data_begin() + 2 * (8 * 32 * 2));
  const auto found = checkpoint.find(kLayer + "1.mlp.up_proj.weight");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->first, 1U);
  EXPECT_FALSE(checkpoint.find("nothing").has_value());
  EXPECT_EQ(checkpoint.find_layer(2), nullptr);
}

TEST_F(CheckpointTest, ListsSideFiles) {
  folder_.write("README.md", "x");
  folder_.write("deep/er/file.txt", "x");
  folder_.write("deep/contourfuse.json", "x");
  folder_.write("contourfuse.json", "x");
  folder_.write(".git/config", "x");
  folder_.write(".hidden", "x");
  folder_.write("other.safetensors", "not one");
  EXPECT_EQ(open().side_files,
            (std::vector<fs::path>{"README.md", "config.json", "deep/contourfuse.json",
                                   "deep/er/file.txt", "model.safetensors.index.json",
                                   "other.safetensors"}));
}

TEST_F(CheckpointTest, RefusesEscapingShardNames) {
  for (const char* name :
       {"../a.safetensors", "/etc/a.safetensors", "x/a.safetensors", "..", ".", "", "config.json",
        ".a.safetensors", "a\\\\b.safetensors", "a\\u0000.safetensors"}) {
    write_index("\"t\":\"" + std::string(name) + "\"");
    EXPECT_EQ(kind(), "shard-name") << name;
  }
}

TEST_F(CheckpointTest, RefusesBadIndexes) {
  write_index(index_ + ",\"ghost\":\"a.safetensors\"");
  EXPECT_EQ(kind(), "tensor-not-in-shard");
  write_index(index_ + ",\"ghost\":\"c.safetensors\"");
  EXPECT_EQ(kind(), "missing-shard");
  write_index("");
  EXPECT_EQ(kind(), "index-empty");
  write_index("\"t\":5");
  EXPECT_EQ(kind(), "index-field");
  write_index(index_ + "," + index_);
  EXPECT_EQ(kind(), "json-duplicate-key");
  folder_.write("model.safetensors.index.json", "{\"weight_map\":[]}");
  EXPECT_EQ(kind(), "index-field");
}

TEST_F(CheckpointTest, WarnsOfOddIndexes) {
  a_.push_back(tensor("unknown", {2}));
  a_.push_back(b_.front());  // a stale copy of layer 1's down projection
  const std::string before = index_;
  write_shards();
  write_index(before, R"(,"metadata":{"total_size":1})");
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.index_problems.size(), 3U);
  EXPECT_EQ(checkpoint.find(b_.front().name)->first, 1U);
  EXPECT_EQ(checkpoint.layers[1].role(Role::kDown)->shard, 1U);
}

TEST_F(CheckpointTest, RefusesLinksOutOfTheFolder) {
  test::TemporaryFolder outside;
  outside.write("secret", "x");
  fs::create_symlink(outside.path() / "secret", folder_.path() / "notes.txt");
  EXPECT_EQ(kind(), "link-leaves-folder");
  fs::remove(folder_.path() / "notes.txt");
  fs::create_symlink("README.md", folder_.path() / "notes.txt");
  EXPECT_EQ(kind(), "file-missing");
  folder_.write("README.md", "x");
  EXPECT_EQ(kind(), "none");
  fs::create_directory_symlink(outside.path(), folder_.path() / "folder");
  EXPECT_EQ(kind(), "link-leaves-folder");
  fs::remove(folder_.path() / "folder");
  fs::create_directory_symlink(".", folder_.path() / "folder");
  EXPECT_EQ(kind(), "link-to-folder");
  fs::remove(folder_.path() / "folder");
  outside.write("a.safetensors", shard_text(a_));
  fs::remove(folder_.path() / "a.safetensors");
  fs::create_symlink(outside.path() / "a.safetensors", folder_.path() / "a.safetensors");
  EXPECT_EQ(kind(), "link-leaves-folder");
}

TEST_F(CheckpointTest, RefusesWhatIsNoFile) {
  ASSERT_EQ(::mkfifo((folder_.path() / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(kind(), "file-not-regular");
  fs::remove(folder_.path() / "pipe");
  fs::remove(folder_.path() / "config.json");
  EXPECT_EQ(kind(), "config-missing");
  ASSERT_EQ(::mkfifo((folder_.path() / "config.json").c_str(), 0600), 0);
  EXPECT_EQ(kind(), "file-not-regular");
  EXPECT_EQ(test::error_of([this] {
              (void)open_checkpoint((folder_.path() / "a.safetensors").string());
            }).kind(),
            "not-a-folder");
}

TEST_F(CheckpointTest, RefusesShapesThatDoNotFit) {
  const auto original = b_;
  b_[0].shape = {8, 30};
  write_shards();
  EXPECT_EQ(kind(), "mlp-shape");
  b_ = original;
  b_[2].shape = {16, 16};
  write_shards();
  EXPECT_EQ(kind(), "mlp-shape");
  b_ = original;
  b_[1].shape = {256};
  write_shards();
  EXPECT_EQ(kind(), "mlp-shape");
}

TEST_F(CheckpointTest, OpensQuantisedWeightsAndRefusesToEditThem) {
  for (TensorSpec& t : b_) t = tensor(t.name, {128, 1}, DType::kU8);
  write_shards();
  const Checkpoint checkpoint = open();
  require_dense_mlps(checkpoint);
  EXPECT_EQ(test::error_of([&] { (void)select_layers({}, checkpoint.layers); }).kind(),
            "dtype-not-editable");
  for (TensorSpec& t : a_) t.dtype = DType::kF8E4M3;
  write_shards();
  EXPECT_EQ(test::error_of([this] { require_dense_mlps(open()); }).kind(), "dtype-not-editable");
}

TEST_F(CheckpointTest, NamesTheLayoutOfFamiliesWithoutDenseMlps) {
  folder_.write("config.json", R"({"model_type":"phi3"})");
  a_ = {tensor("model.layers.0.mlp.down_proj.weight", {8, 16}),
        tensor("model.layers.0.mlp.gate_up_proj.weight", {32, 8})};
  b_ = {tensor("x", {1})};
  write_shards();
  write_index(index_);
  const Checkpoint checkpoint = open();
  EXPECT_TRUE(checkpoint.layers.empty());
  try {
    require_dense_mlps(checkpoint);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), "no-dense-mlp");
    EXPECT_NE(error.message().find("phi3"), std::string::npos);
    EXPECT_NE(error.message().find("fused"), std::string::npos);
  }
}

TEST_F(CheckpointTest, KeepsExpertsBesideDenseMlps) {
  a_.push_back(tensor(kLayer + "0.experts.gate_up_proj", {2, 8, 8}));
  write_shards();
  write_index(index_);
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.layers.size(), 2U);
  ASSERT_EQ(checkpoint.notes.size(), 1U);
  EXPECT_NE(checkpoint.notes[0].find("expert tensors"), std::string::npos);
}

TEST_F(CheckpointTest, DigestIgnoresTheSplitAndSeesShapes) {
  const std::string first = checkpoint_digest(open());
  EXPECT_EQ(first.size(), 32U);
  std::vector<TensorSpec> all = a_;
  all.insert(all.end(), b_.begin(), b_.end());
  std::ranges::reverse(all);
  fs::remove(folder_.path() / "model.safetensors.index.json");
  folder_.write("model.safetensors", shard_text(all));
  EXPECT_EQ(checkpoint_digest(open()), first);
  all.front().dtype = DType::kF16;
  folder_.write("model.safetensors", shard_text(all));
  EXPECT_NE(checkpoint_digest(open()), first);
}

}  // namespace
}  // namespace contourfuse
