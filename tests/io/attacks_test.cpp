// Every file of attacks/ breaks one rule of the format, and is refused for that rule.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "contourfuse/io/safetensors.hpp"
#include "support/error_of.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

const fs::path kAttacks = fs::path(CONTOURFUSE_SOURCE_DIR) / "tests" / "io" / "attacks";

struct Expected {
  std::string tensor;
  std::string begin;
  std::string end;
};

std::map<std::string, Expected> read_expected() {
  std::map<std::string, Expected> all;
  std::ifstream table(kAttacks / "expected.tsv");
  for (std::string line; std::getline(table, line);) {
    std::istringstream row(line);
    std::string file;
    Expected expected;
    row >> file >> expected.tensor >> expected.begin >> expected.end;
    EXPECT_TRUE(row) << line;
    all.emplace(file, expected);
  }
  return all;
}

TEST(Attacks, EachIsRefusedForItsRuleWithItsPlace) {
  for (const auto& [file, expected] : read_expected()) {
    SCOPED_TRACE(file);
    const fs::path path = kAttacks / file;
    const Error error =
        test::error_of([&path] { static_cast<void>(read_safetensors_header(path)); });
    EXPECT_EQ(error.kind(), file.substr(0, file.find('.')));
    EXPECT_EQ(error.failure(), Failure::kBadInput);
    EXPECT_EQ(error.place().file, path.string());
    EXPECT_EQ(error.place().tensor, expected.tensor == "-" ? "" : expected.tensor);
    ASSERT_TRUE(error.place().bytes);
    EXPECT_LE(error.place().bytes->begin, error.place().bytes->end);
    if (expected.begin != "-") {
      EXPECT_EQ(std::to_string(error.place().bytes->begin), expected.begin);
    }
    if (expected.end != "-") {
      EXPECT_EQ(std::to_string(error.place().bytes->end), expected.end);
    }
    EXPECT_FALSE(error.message().empty());
    const std::string line = error.what();
    EXPECT_TRUE(line.starts_with(path.string() + ": ")) << line;
    EXPECT_NE(line.find("bytes ["), std::string::npos) << line;
    EXPECT_LT(line.size(), path.string().size() + 600) << line;
  }
}

TEST(Attacks, FolderAndTableHoldTheSameFiles) {
  std::set<std::string> listed;
  for (const auto& [file, expected] : read_expected()) listed.insert(file);
  std::set<std::string> present;
  for (const fs::directory_entry& entry : fs::directory_iterator(kAttacks)) {
    if (entry.path().extension() == ".safetensors") present.insert(entry.path().filename());
  }
  EXPECT_EQ(present, listed);
}

TEST(Attacks, EveryRuleIsBroken) {
  const std::set<std::string> rules{"file-too-short",  "header-too-long", "header-past-end",
                                    "header-not-utf8", "header-not-json", "duplicate-key",
                                    "unknown-dtype",   "bad-field",       "bad-metadata",
                                    "size-overflow",   "begin-after-end", "size-mismatch",
                                    "not-contiguous",  "sub-byte-size",   "header-too-deep"};
  std::set<std::string> broken;
  for (const auto& [file, expected] : read_expected()) {
    broken.insert(file.substr(0, file.find('.')));
  }
  EXPECT_EQ(broken, rules);
}

}  // namespace
}  // namespace contourfuse
