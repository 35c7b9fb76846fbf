// Every file of attacks/ breaks one rule of a journal or an undo file, and is refused for it.
#include <gtest/gtest.h>

#include <span>

#include "contourfuse/fusion/journal.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/json.hpp"
#include "fusion/sealed_files.hpp"
#include "fusion/undo_file.hpp"
#include "io/attack_folder.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) { return read_text(path, kMaxJsonBytes); }

TEST(Attacks, OnAJournalAreRefused) {
  test::expect_refusals(
      "fusion/attacks/journal",
      {"json-bom", "json-not-utf8", "json-syntax", "json-duplicate-key", "json-too-deep",
       "json-field"},
      [](const fs::path& path) {
        static_cast<void>(parse_journal(test::sealed_journal(text_of(path)), path.string()));
      });
}

TEST(Attacks, OnAnUndoFileAreRefused) {
  test::expect_refusals(
      "fusion/attacks/undo_file",
      {"header-past-end", "not-an-undo-file", "undo-damaged", "undo-tensor", "json-syntax",
       "json-duplicate-key", "json-too-deep", "json-field", "json-unknown-key"},
      [](const fs::path& path) {
        const std::string body = text_of(path);
        const std::string file = path.extension() == ".raw" ? body : test::sealed_undo(body);
        const SafetensorsHeader header =
            parse_safetensors_header(std::as_bytes(std::span(file)), file.size(), path.string());
        static_cast<void>(
            parse_undo(std::string_view(file).substr(0, header.data_begin()), header));
      });
}

}  // namespace
}  // namespace contourfuse
