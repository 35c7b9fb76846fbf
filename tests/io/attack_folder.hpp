// Folders of files that each break one rule of a parser, and are refused for that rule.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "contourfuse/core/error.hpp"
#include "support/error_of.hpp"

namespace contourfuse::test {

/// The files of a folder, each with what its refusal must say ("-": anything), from expected.tsv.
inline std::map<std::string, std::string> read_attacks(const std::filesystem::path& folder) {
  std::map<std::string, std::string> listed;
  std::ifstream table(folder / "expected.tsv");
  for (std::string line; std::getline(table, line);) {
    const std::size_t tab = line.find('\t');
    EXPECT_NE(tab, std::string::npos) << line;
    listed.emplace(line.substr(0, tab), line.substr(tab + 1));
  }
  std::set<std::string> present;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename() != "expected.tsv") present.insert(entry.path().filename());
  }
  std::set<std::string> names;
  for (const auto& [file, says] : listed) names.insert(file);
  EXPECT_EQ(present, names) << "run tests/fuzz/make_attacks.py";
  return listed;
}

/// What was written by the program itself and was damaged is no bad input of a user.
inline Failure failure_of(const std::string& kind) {
  return kind == "undo-damaged" ? Failure::kFailed : Failure::kBadInput;
}

/// Calls `parse` with the path of every file of tests/<folder>: it must throw the Error whose kind
/// is the file's name up to the first dot, with the words of the table, naming the file. Together
/// the files must break every rule of `kinds`, and no other.
template <typename Parse>
void expect_refusals(const std::string& folder, const std::set<std::string>& kinds,
                     const Parse& parse) {
  const std::filesystem::path root =
      std::filesystem::path(CONTOURFUSE_SOURCE_DIR) / "tests" / folder;
  std::set<std::string> broken;
  for (const auto& [file, says] : read_attacks(root)) {
    SCOPED_TRACE(file);
    const std::filesystem::path path = root / file;
    const Error error = error_of([&] { parse(path); });
    EXPECT_EQ(error.kind(), file.substr(0, file.find('.')));
    EXPECT_EQ(error.failure(), failure_of(error.kind()));
    EXPECT_EQ(error.place().file, path.string());
    const std::string line = error.what();
    EXPECT_TRUE(says == "-" || line.find(says) != std::string::npos)
        << line << "\nis not: " << says;
    EXPECT_LT(line.size(), path.string().size() + 1000) << line;
    broken.insert(error.kind());
  }
  EXPECT_EQ(broken, kinds);
}

}  // namespace contourfuse::test
