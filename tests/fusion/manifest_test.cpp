// Tests of the manifest: what it lists, its own hash, and that no byte of it can change unseen.
#include "contourfuse/fusion/manifest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include <cstdio>

#include "contourfuse/core/error.hpp"
#include "fusion/tiny_checkpoint.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

using test::kDown;
using test::kGate;

std::string xxh3_128(const std::string& text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  char digits[33];
  std::snprintf(digits, sizeof digits, "%016llx%016llx",
                static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return digits;
}

PlannedMatrix planned(const Checkpoint& base, const std::string& tensor, Role role) {
  PlannedMatrix matrix;
  matrix.role = role;
  const auto found = base.find(tensor);
  matrix.shard = found->first;
  matrix.view.tensor = tensor;
  matrix.view.rows = found->second->shape[0];
  matrix.view.cols = found->second->shape[1];
  matrix.covered_shape = found->second->shape;
  return matrix;
}

class Manifest : public testing::Test {
 protected:
  Manifest() {
    test::write_tiny_checkpoint(folder_.path() / "base");
    plan_.settings.model = (folder_.path() / "base").string();
    plan_.settings.weights = "delta";
    plan_.settings.output = "/somewhere/out";
    plan_.settings.command = {"fuse", "--alpha", "0.5"};
    plan_.base = open_checkpoint(plan_.settings.model);
    plan_.selected_layers = {0};
    plan_.matrices = {planned(plan_.base, kGate, Role::kGate),
                      planned(plan_.base, kDown, Role::kDown)};
    report_.seconds = 12.5;
    report_.results.matrices.resize(2);
    report_.results.matrices[0].counts.changed = 3;
    report_.results.matrices[0].weight_hash = std::string(32, 'a');
    report_.results.matrices[0].delta_hash = std::string(32, 'b');
    report_.results.matrices[1].weight_hash = std::string(32, 'c');  // nothing of it changed
    report_.results.matrices[1].delta_hash = std::string(32, 'd');
    report_.results.shards = {{std::string(32, '1'), std::string(32, '2')},
                              {std::string(32, '3'), std::string(32, '4')}};
  }

  [[nodiscard]] nlohmann::ordered_json manifest() const {
    return make_manifest(plan_, report_, {{"config.json", 10, std::string(32, 'e')}});
  }

  test::TemporaryFolder folder_{};
  FusePlan plan_{};
  FuseReport report_{};
};

TEST_F(Manifest, ListsShardsFilesAndExactlyTheTensorsThatChanged) {
  const nlohmann::ordered_json made = manifest();
  EXPECT_EQ(made["schema"], "contourfuse.fuse/1");
  EXPECT_EQ(made["command"].dump(), R"(["fuse","--alpha","0.5"])");
  EXPECT_EQ(made["edited"].dump(),
            R"([{"name":")" + kGate + R"(","xxh3_128":")" + std::string(32, 'a') + R"("}])");
  const std::string bytes1 =
      std::to_string(std::filesystem::file_size(folder_.path() / "base" / test::kShard1));
  const std::string bytes2 =
      std::to_string(std::filesystem::file_size(folder_.path() / "base" / test::kShard2));
  EXPECT_EQ(made["shards"].dump(),
            R"([{"name":")" + test::kShard1 + R"(","bytes":)" + bytes1 + R"(,"xxh3_128":")" +
                std::string(32, '2') + R"("},{"name":")" + test::kShard2 + R"(","bytes":)" +
                bytes2 + R"(,"xxh3_128":")" + std::string(32, '4') + R"("}])");
  EXPECT_EQ(made["base"]["shards"][0]["file"], test::kShard1);
  EXPECT_EQ(made["base"]["shards"][0]["xxh3_128"], std::string(32, '1'));
  EXPECT_EQ(made["base"]["digest"], checkpoint_digest(plan_.base));
  EXPECT_EQ(made["files"].dump(),
            R"([{"name":"config.json","bytes":10,"xxh3_128":")" + std::string(32, 'e') + R"("}])");
  EXPECT_EQ(made["delta"]["kind"], "foreign");
  EXPECT_EQ(made["delta"]["tensors"][1]["xxh3_128"], std::string(32, 'd'));
}

TEST_F(Manifest, HoldsNothingThatTwoEqualRunsDoNotShare) {
  const std::string first = manifest_text(manifest());
  report_.seconds = 99;
  plan_.settings.output = "/elsewhere/other";
  EXPECT_EQ(manifest_text(manifest()), first);
  EXPECT_EQ(first.find("seconds"), std::string::npos);
  EXPECT_EQ(first.find("somewhere"), std::string::npos);
}

TEST_F(Manifest, EndsWithTheHashOfItsTextWithThatFieldEmpty) {
  const nlohmann::ordered_json made = manifest();
  std::string text = manifest_text(made);
  ASSERT_TRUE(text.ends_with("}\n"));
  const auto own = made["manifest_xxh3_128"].get<std::string>();
  ASSERT_EQ(own.size(), 32U);
  const std::size_t at = text.find(own);
  ASSERT_NE(at, std::string::npos);
  text.erase(at, own.size());
  EXPECT_EQ(own, xxh3_128(text));
}

TEST_F(Manifest, IsReadBack) {
  test::write_bytes(folder_.path() / "out" / kManifestName, manifest_text(manifest()));
  EXPECT_EQ(read_manifest(folder_.path() / "out").at("edited").size(), 1U);
}

TEST_F(Manifest, EveryChangedByteIsSeen) {
  const std::string text = manifest_text(manifest());
  const auto path = folder_.path() / "out" / kManifestName;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ (1U << (i % 8)));
    test::write_bytes(path, changed);
    try {
      static_cast<void>(read_manifest(folder_.path() / "out"));
      FAIL() << "byte " << i;
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), "manifest-damaged") << "byte " << i;
      ASSERT_EQ(error.failure(), Failure::kFailed);
    }
  }
}

TEST_F(Manifest, AnAbsentOneIsAnotherErrorThanADamagedOne) {
  try {
    static_cast<void>(read_manifest(folder_.path()));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), "manifest-missing");
    EXPECT_EQ(error.failure(), Failure::kFailed);
  }
}

}  // namespace
}  // namespace contourfuse
