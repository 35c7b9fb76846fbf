// Every file of attacks/ breaks one rule of the index or of config.json, and is refused for it.
#include <gtest/gtest.h>

#include "contourfuse/io/file.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/model/config.hpp"
#include "io/attack_folder.hpp"
#include "model/shard_index.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) { return read_text(path, kMaxJsonBytes); }

TEST(Attacks, OnTheIndexAreRefused) {
  test::expect_refusals("model/attacks/shard_index",
                        {"json-bom", "json-not-utf8", "json-syntax", "json-duplicate-key",
                         "json-too-deep", "index-field", "index-empty", "shard-name"},
                        [](const fs::path& path) {
                          static_cast<void>(parse_shard_index(text_of(path), path.string()));
                        });
}

TEST(Attacks, OnTheConfigurationAreRefused) {
  test::expect_refusals(
      "model/attacks/config",
      {"json-bom", "json-not-utf8", "json-syntax", "json-duplicate-key", "json-too-deep",
       "json-field"},
      [](const fs::path& path) { static_cast<void>(parse_config(text_of(path), path.string())); });
}

}  // namespace
}  // namespace contourfuse
