// Fuzz target: the journal of a run that was not finished.
#include "contourfuse/fusion/journal.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "fusion/sealed_files.hpp"
#include "json_mutation.hpp"
#include "refusal.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

using fuzz::require;

std::string written(const JournalContents& contents) {
  static const test::TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / kJournalName;
  {
    Journal journal(folder.path(), contents.run, Durability::kNone);
    for (const FinishedShard& shard : contents.shards) journal.add(shard);
  }
  std::string text = read_text(file, std::uint64_t{1} << 24);
  std::filesystem::remove(file);
  return text;
}

void check(const JournalContents& contents, std::size_t text_bytes) {
  require(contents.bytes <= text_bytes, "whole lines are no longer than the text");
  std::set<std::string> files;
  for (const FinishedShard& shard : contents.shards) {
    require(files.insert(shard.file).second, "a shard counts once");
  }
  const std::string text = written(contents);
  const auto again = parse_journal(text, "again");
  require(again.has_value() && again->bytes == text.size(), "what is written is whole");
  require(run_differences(contents.run, again->run).empty(), "the run is written as it was read");
  require(again->shards.size() == contents.shards.size(), "every shard is written");
  for (std::size_t i = 0; i < contents.shards.size(); ++i) {
    const auto& one = contents.shards[i].matrices;
    const auto& two = again->shards[i].matrices;
    require(one.size() == two.size(), "every matrix is written");
    for (std::size_t k = 0; k < one.size(); ++k) {
      require(one[k].alpha_dynamic == two[k].alpha_dynamic &&
                  one[k].sigma_weight == two[k].sigma_weight &&
                  one[k].sums.max_change == two[k].sums.max_change &&
                  one[k].counts.moved == two[k].counts.moved,
              "a matrix is written as it was read");
    }
  }
  require(written(*again) == text, "equal contents have the same text");
}

void parse(std::string_view text) {
  const auto contents = fuzz::accepted([&] { return parse_journal(text, "input"); });
  if (contents && *contents) check(**contents, text.size());
}

}  // namespace
}  // namespace contourfuse

// Of the lines of a journal one is changed, as JSON.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  const std::string text(contourfuse::fuzz::text_of(data, size));
  const std::size_t second = text.find('\n');
  if (second == std::string::npos || seed % 8 == 0) {
    return contourfuse::fuzz::mutate_json_in_place(data, size, max_size, seed);
  }
  const std::size_t begin = seed % 8 < 3 ? 0 : second + 1;
  const std::size_t end = std::min(text.find('\n', begin), text.size());
  const std::string changed =
      text.substr(0, begin) +
      contourfuse::fuzz::mutate_json(text.substr(begin, end - begin), seed / 8) + text.substr(end);
  const std::size_t kept = std::min(changed.size(), max_size);
  std::copy_n(changed.begin(), kept, data);
  return kept;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace contourfuse;
  const std::string_view text = fuzz::text_of(data, size);
  parse(text);
  // An input is a journal without its hashes, one JSON text a line.
  parse(test::sealed_journal(text));
  return 0;
}
