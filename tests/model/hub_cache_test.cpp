// Hub ids in a cache made for the test.
#include "contourfuse/model/hub_cache.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

class HubCache : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"}) {
      ::unsetenv(name);
    }
    ::setenv("HOME", folder_.path().c_str(), 1);
  }
  fs::path fill(const fs::path& cache) {
    const fs::path repository = cache / "models--google--gemma-4-31B-it";
    folder_.write(repository / "refs/main", "abc123\n");
    folder_.write(repository / "refs/pr/3", "def456");
    folder_.write(repository / "blobs/0123", "{}");
    fs::create_directories(folder_.path() / repository / "snapshots/abc123");
    fs::create_directories(folder_.path() / repository / "snapshots/def456");
    fs::create_symlink("../../blobs/0123",
                       folder_.path() / repository / "snapshots/abc123/config.json");
    return folder_.path() / repository;
  }
  test::TemporaryFolder folder_{};
};

TEST_F(HubCache, LooksInTheDefaultPlace) {
  const fs::path repository = fill(".cache/huggingface/hub");
  EXPECT_EQ(resolve_model("google/gemma-4-31B-it"), repository / "snapshots/abc123");
}

TEST_F(HubCache, HfHomeThenHubCacheWin) {
  fill(".cache/huggingface/hub");
  const fs::path second = fill("home/hub");
  ::setenv("HF_HOME", (folder_.path() / "home").c_str(), 1);
  EXPECT_EQ(resolve_model("google/gemma-4-31B-it"), second / "snapshots/abc123");
  const fs::path third = fill("cache");
  ::setenv("HF_HUB_CACHE", (folder_.path() / "cache").c_str(), 1);
  EXPECT_EQ(resolve_model("google/gemma-4-31B-it"), third / "snapshots/abc123");
}

TEST_F(HubCache, TakesRevisions) {
  const fs::path repository = fill(".cache/huggingface/hub");
  EXPECT_EQ(resolve_model("google/gemma-4-31B-it", "def456"), repository / "snapshots/def456");
  EXPECT_EQ(resolve_model("google/gemma-4-31B-it", "pr/3"), repository / "snapshots/def456");
  for (const char* revision : {"../main", "/etc", "..", "nothere"}) {
    EXPECT_EQ(
        test::error_of([&] { (void)resolve_model("google/gemma-4-31B-it", revision); }).kind(),
        "model-not-found")
        << revision;
  }
}

TEST_F(HubCache, RefusesAReferenceThatLeavesTheCache) {
  const fs::path repository = fill(".cache/huggingface/hub");
  folder_.write(".cache/huggingface/hub/models--google--gemma-4-31B-it/refs/main", "../blobs");
  EXPECT_EQ(test::error_of([] { (void)resolve_model("google/gemma-4-31B-it"); }).kind(),
            "model-not-found");
}

TEST_F(HubCache, SaysHowToDownload) {
  try {
    (void)resolve_model("google/gemma-4-E2B", "v1");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::kBadInput);
    EXPECT_EQ(error.hint(), "hf download google/gemma-4-E2B --revision v1");
  }
  EXPECT_EQ(test::error_of([] { (void)resolve_model("/no/such/path"); }).kind(), "model-not-found");
  EXPECT_EQ(test::error_of([] { (void)resolve_model(""); }).kind(), "model-not-found");
}

TEST_F(HubCache, KnowsItsOwnLinksOnly) {
  const fs::path repository = fill(".cache/huggingface/hub");
  EXPECT_TRUE(is_hub_blob_link(repository / "snapshots/abc123/config.json"));
  folder_.write("secret", "x");
  fs::create_symlink(folder_.path() / "secret", repository / "snapshots/abc123/leak");
  EXPECT_FALSE(is_hub_blob_link(repository / "snapshots/abc123/leak"));
  fs::create_symlink(folder_.path() / "secret", repository / "blobs/9999");
  fs::create_symlink("../../blobs/9999", repository / "snapshots/abc123/twice");
  EXPECT_FALSE(is_hub_blob_link(repository / "snapshots/abc123/twice"));
  EXPECT_FALSE(is_hub_blob_link(repository / "blobs/0123"));
  EXPECT_TRUE(is_in_hub_cache(repository / "snapshots/abc123/config.json"));
  EXPECT_TRUE(is_in_hub_cache(repository / "blobs/0123"));
  EXPECT_FALSE(is_in_hub_cache(repository));
  EXPECT_FALSE(is_in_hub_cache(repository / "absent"));
}

}  // namespace
}  // namespace contourfuse
