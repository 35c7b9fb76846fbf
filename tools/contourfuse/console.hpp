// What the program writes: documents and text on standard output, messages on standard error.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "contourfuse/core/error.hpp"

namespace contourfuse {

/// What a table shows where there is no value.
inline constexpr const char* kNoValue = "–";

/// One JSON document, indented, on standard output. Bytes that are no UTF-8 are replaced.
void print_document(const nlohmann::ordered_json& document);

/// Text on standard output.
void print_text(std::string_view text);

/// Up to `limit` lines, each indented, then how many are left out (0: all).
void print_list(std::string_view title, std::span<const std::string> lines, std::size_t limit);

/// "contourfuse: error: …" and, if there is one, "hint: …" on standard error.
void print_failure(const Error& error);
/// "contourfuse: note: …" on standard error.
void print_note(std::string_view text);
/// {"kind","message","file","tensor","offset","hint"}, null where unknown.
[[nodiscard]] nlohmann::ordered_json failure_document(const Error& error);

/// Flushes standard output; throws Error{kFailed, "stdout"} if not all of it could be written.
void finish_output();

/// `text` with control characters written out, so that a name from a file stays on its line and
/// cannot steer a terminal.
[[nodiscard]] std::string visible(std::string_view text);

}  // namespace contourfuse
