// Tests of verify on a fused checkpoint written by hand: any changed byte is found and named.
#include "contourfuse/fusion/verify.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/manifest.hpp"
#include "contourfuse/io/hash.hpp"
#include "fusion/tiny_checkpoint.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;
using Document = nlohmann::ordered_json;
using test::kDown;
using test::kEmbed;
using test::kGate;
using test::kNorm;
using test::kShard1;
using test::kShard2;
using test::kUp;

/// Nothing is computed in these tests.
class NoBackend final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "none"; }
  FuseResults run(const FuseJob& /*job*/, const Execution& /*execution*/) override { return {}; }
};

class Verify : public testing::Test {
 protected:
  Verify() {
    test::write_tiny_checkpoint(base());
    fs::copy(base(), output(), fs::copy_options::recursive);
    change(kShard1, kGate);
    change(kShard2, kDown);
    write_manifest();
  }

  [[nodiscard]] fs::path base() const { return folder_.path() / "base"; }
  [[nodiscard]] fs::path output() const { return folder_.path() / "out"; }

  /// Another value for the third byte of a tensor of the output.
  void change(const std::string& shard, const std::string& tensor) const {
    std::string bytes = test::read_bytes(output() / shard);
    bytes[test::tensor_range(bytes, tensor).first + 2] ^= 4;
    test::write_bytes(output() / shard, bytes);
  }

  [[nodiscard]] std::string tensor_hash(const std::string& shard, const std::string& tensor) const {
    const std::string bytes = test::read_bytes(output() / shard);
    const auto [begin, end] = test::tensor_range(bytes, tensor);
    return hash_text(bytes.substr(begin, end - begin));
  }

  void write_manifest(const std::function<void(Document&)>& edit = {}) const {
    const auto describe = [](const fs::path& folder, const std::string& name, const char* key) {
      const std::string bytes = test::read_bytes(folder / name);
      return Document{{key, name}, {"bytes", bytes.size()}, {"xxh3_128", hash_text(bytes)}};
    };
    Document manifest = {
        {"schema", "contourfuse.fuse/1"},
        {"model", base().string()},
        {"weights", "gone"},
        {"parameters",
         {{"alpha", 0.5},
          {"gamma_cap", 0.25},
          {"variance_norm", "none"},
          {"rounding", "nearest"},
          {"rounding_seed", 0},
          {"nonfinite", "error"}}},
        {"selected_layers", Document::array({0})},
        {"base", {{"folder", base().string()}, {"shards", Document::array()}}},
        {"delta", {{"kind", "foreign"}, {"tensors", Document::array()}}},
        {"shards", Document::array()},
        {"files", Document::array()},
        {"edited",
         Document::array({Document{{"name", kGate}, {"xxh3_128", tensor_hash(kShard1, kGate)}},
                          Document{{"name", kDown}, {"xxh3_128", tensor_hash(kShard2, kDown)}}})}};
    for (const std::string& shard : {kShard1, kShard2}) {
      manifest["base"]["shards"].push_back(describe(base(), shard, "file"));
      manifest["shards"].push_back(describe(output(), shard, "name"));
    }
    for (const char* name :
         {"config.json", "model.safetensors.index.json", "README.md", "extra/notes.txt"}) {
      manifest["files"].push_back(describe(output(), name, "name"));
    }
    if (edit) edit(manifest);
    manifest["manifest_xxh3_128"] = "";
    manifest["manifest_xxh3_128"] = hash_text(manifest_text(manifest));
    test::write_bytes(output() / kManifestName, manifest_text(manifest));
  }

  [[nodiscard]] VerifyReport run(bool with_base = false) const {
    VerifySettings settings;
    settings.output = output();
    if (with_base) settings.base = base().string();
    NoBackend backend;
    Execution execution;
    execution.threads = 2;
    return verify(settings, backend, execution);
  }

  static bool names(const VerifyReport& report, const std::string& file,
                    const std::string& tensor) {
    return std::ranges::any_of(report.problems, [&](const VerifyProblem& problem) {
      return problem.file == file && problem.tensor == tensor;
    });
  }

  /// `how` is done to the bytes of a file of the output, verified, and undone.
  VerifyReport with_changed(const std::string& name, const std::function<void(std::string&)>& how,
                            bool with_base = false) const {
    const std::string before = test::read_bytes(output() / name);
    std::string changed = before;
    how(changed);
    test::write_bytes(output() / name, changed);
    VerifyReport report = run(with_base);
    test::write_bytes(output() / name, before);
    return report;
  }

  test::TemporaryFolder folder_{};
};

TEST_F(Verify, AnIntactOnePasses) {
  const VerifyReport plain = run();
  EXPECT_TRUE(plain.ok()) << plain.problems.front().message;
  EXPECT_EQ(plain.files, 7U);
  EXPECT_EQ(plain.tensors, 0U);
  const VerifyReport with_base = run(true);
  EXPECT_TRUE(with_base.ok()) << with_base.problems.front().message;
  EXPECT_EQ(with_base.tensors, 5U);
}

TEST_F(Verify, AnyFlippedByteIsFoundInTheFileItIsIn) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(output())) {
    if (entry.is_regular_file()) {
      files.push_back(entry.path().lexically_relative(output()).generic_string());
    }
  }
  ASSERT_EQ(files.size(), 7U);
  for (const std::string& file : files) {
    const std::size_t size = test::read_bytes(output() / file).size();
    for (std::size_t i = 0; i < size; i += i + 4 < size ? 3 : 1) {
      const VerifyReport report = with_changed(file, [i](std::string& bytes) {
        bytes[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ (1U << (i % 8)));
      });
      ASSERT_FALSE(report.ok()) << file << " byte " << i;
      ASSERT_EQ(report.problems.front().file, file) << "byte " << i;
    }
  }
}

TEST_F(Verify, NamesTheTensorOfAChangedByteBesideTheBase) {
  for (const auto& [shard, tensor] : {std::pair{kShard1, kEmbed},
                                      {kShard1, kGate},
                                      {kShard1, kUp},
                                      {kShard2, kDown},
                                      {kShard2, kNorm}}) {
    for (const bool with_base : {false, true}) {
      for (const bool last : {false, true}) {
        const VerifyReport report = with_changed(
            shard,
            [&](std::string& bytes) {
              const auto [begin, end] = test::tensor_range(bytes, tensor);
              bytes[last ? end - 1 : begin] ^= 1;
            },
            with_base);
        ASSERT_EQ(report.problems.size(), 1U) << tensor;
        EXPECT_TRUE(names(report, shard, tensor)) << tensor;
      }
    }
  }
}

TEST_F(Verify, SaysThatTheHeaderChanged) {
  const VerifyReport report =
      with_changed(kShard1, [](std::string& bytes) { bytes[bytes.find("embed")] = 'E'; });
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_TRUE(names(report, kShard1, ""));
  EXPECT_NE(report.problems[0].message.find("header"), std::string::npos);
}

TEST_F(Verify, WithoutTheBaseNamesEditedTensorsAndTheFileOfOthers) {
  fs::rename(base(), folder_.path() / "moved");
  const auto flip = [](const std::string& tensor) {
    return [tensor](std::string& bytes) { bytes[test::tensor_range(bytes, tensor).first] ^= 1; };
  };
  EXPECT_TRUE(names(with_changed(kShard1, flip(kGate)), kShard1, kGate));
  EXPECT_TRUE(names(with_changed(kShard1, flip(kUp)), kShard1, ""));
}

TEST_F(Verify, FindsMissingExtraShortAndLinkedFiles) {
  fs::rename(output() / "README.md", output() / "READYOU.md");
  test::write_bytes(output() / ".cache" / "x", "dot-files are nobody's business");
  const VerifyReport moved = run();
  EXPECT_EQ(moved.problems.size(), 2U);
  EXPECT_TRUE(names(moved, "README.md", ""));
  EXPECT_TRUE(names(moved, "READYOU.md", ""));
  fs::create_symlink(base() / "README.md", output() / "README.md");
  fs::remove(output() / "READYOU.md");
  const VerifyReport linked = run();
  EXPECT_EQ(linked.problems.size(), 1U);
  EXPECT_TRUE(names(linked, "README.md", ""));
  fs::remove(output() / "README.md");
  fs::copy(base() / "README.md", output() / "README.md");
  EXPECT_TRUE(run().ok());
  const VerifyReport cut = with_changed(kShard2, [](std::string& bytes) { bytes.pop_back(); });
  EXPECT_TRUE(names(cut, kShard2, ""));
}

TEST_F(Verify, NamesThatLeadOutOfTheFolderAreNeverOpened) {
  const std::string text = test::read_bytes(base() / "README.md");
  for (const std::string& name : {std::string("../base/README.md"), std::string("./README.md"),
                                  (base() / "README.md").string(), std::string("..")}) {
    for (const char* list : {"files", "shards"}) {
      write_manifest([&](Document& manifest) {
        manifest[list].push_back(
            {{"name", name}, {"bytes", text.size()}, {"xxh3_128", hash_text(text)}});
      });
      const VerifyReport report = run();
      ASSERT_EQ(report.problems.size(), 1U) << name;
      EXPECT_TRUE(names(report, name, "")) << name;
      EXPECT_EQ(report.problems[0].message, "is missing");
    }
  }
}

TEST_F(Verify, AFifoIsNamedAndNotWaitedFor) {
  fs::remove(output() / "README.md");
  ASSERT_EQ(::mkfifo((output() / "README.md").c_str(), 0600), 0);
  const VerifyReport report = run();
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_TRUE(names(report, "README.md", ""));
}

TEST_F(Verify, AnUnlistedEditIsFoundByTheBase) {
  change(kShard1, kUp);
  write_manifest();
  EXPECT_TRUE(run().ok());
  const VerifyReport report = run(true);
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_TRUE(names(report, kShard1, kUp));
}

TEST_F(Verify, AListedTensorThatEqualsTheBaseIsFound) {
  write_manifest([this](Document& manifest) {
    manifest["edited"].push_back({{"name", kNorm}, {"xxh3_128", tensor_hash(kShard2, kNorm)}});
  });
  const VerifyReport report = run(true);
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_TRUE(names(report, kShard2, kNorm));
}

TEST_F(Verify, AnotherBaseIsFound) {
  std::string bytes = test::read_bytes(base() / kShard2);
  bytes[test::tensor_range(bytes, kDown).first + 8] ^= 1;
  test::write_bytes(base() / kShard2, bytes);
  const VerifyReport report = run(true);
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_TRUE(names(report, (base() / kShard2).string(), ""));
}

TEST_F(Verify, WithoutAManifestSaysWhatCouldBeChecked) {
  fs::remove(output() / kManifestName);
  const VerifyReport report = run(true);
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_TRUE(names(report, kManifestName, ""));
  EXPECT_EQ(report.checks.size(), 2U);
}

TEST_F(Verify, AForgedManifestIsAProblemAndNoCrash) {
  for (const char* key : {"model", "weights", "parameters", "selected_layers", "base", "delta",
                          "shards", "files", "edited"}) {
    for (const Document& value : {Document(nullptr), Document(-3), Document("x"),
                                  Document::array({1}), Document::object()}) {
      if (value.is_string() && (key == std::string("model") || key == std::string("weights")))
        continue;
      if (value == Document::array({1}) && key == std::string("selected_layers")) continue;
      write_manifest([&](Document& manifest) { manifest[key] = value; });
      const VerifyReport report = run();
      EXPECT_TRUE(names(report, kManifestName, "")) << key << " " << value;
    }
  }
}

TEST_F(Verify, AMissingFolderIsBadInput) {
  VerifySettings settings;
  settings.output = folder_.path() / "nowhere";
  NoBackend backend;
  EXPECT_THROW(static_cast<void>(verify(settings, backend, {})), Error);
}

}  // namespace
}  // namespace contourfuse
