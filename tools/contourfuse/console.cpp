// Everything that is printed passes here, so that names from untrusted files are shown safely.
#include "console.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace contourfuse {
namespace {

nlohmann::ordered_json text_or_null(const std::string& text) {
  return text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(text);
}

}  // namespace

void print_document(const nlohmann::ordered_json& document) {
  print_text(document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n');
}

void print_text(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void print_list(std::string_view title, std::span<const std::string> lines, std::size_t limit) {
  if (lines.empty()) return;
  print_text(fmt::format("{} ({}):\n", title, lines.size()));
  const std::size_t shown = limit == 0 ? lines.size() : std::min(limit, lines.size());
  for (const std::string& line : lines.first(shown)) print_text("  " + visible(line) + '\n');
  if (shown < lines.size()) print_text(fmt::format("  … and {} more\n", lines.size() - shown));
}

void print_failure(const Error& error) {
  std::fflush(stdout);  // so that both keep their order where they go to one place
  std::string text = "contourfuse: error: " + visible(error.what()) + '\n';
  if (!error.hint().empty()) text += "hint: " + visible(error.hint()) + '\n';
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void print_note(std::string_view text) {
  std::fflush(stdout);
  const std::string line = "contourfuse: note: " + visible(text) + '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

nlohmann::ordered_json failure_document(const Error& error) {
  nlohmann::ordered_json document;
  document["kind"] = error.kind();
  document["message"] = error.message();
  document["file"] = text_or_null(error.place().file);
  document["tensor"] = text_or_null(error.place().tensor);
  document["offset"] = nullptr;
  if (error.place().bytes) document["offset"] = error.place().bytes->begin;
  document["hint"] = text_or_null(error.hint());
  return document;
}

void finish_output() {
  errno = 0;
  const bool failed = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
  if (failed) {
    const std::string reason = errno == 0 ? "write error" : std::generic_category().message(errno);
    throw Error(Failure::kFailed, "stdout", "cannot write to standard output: " + reason);
  }
}

std::string visible(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      shown += fmt::format("\\x{:02x}", byte);
    } else {
      shown += c;
    }
  }
  return shown;
}

}  // namespace contourfuse
