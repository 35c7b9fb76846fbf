// Strict JSON for untrusted files: no BOM, no key twice, bounded depth, valid UTF-8.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace contourfuse {

/// Deepest nesting that any JSON file of ours or of a checkpoint may have.
inline constexpr int kMaxJsonDepth = 64;
/// Largest config, index or recipe that is read; a 1 T-parameter index is about 20 MB.
inline constexpr std::uint64_t kMaxJsonBytes = 256ULL << 20;

/// Parses one JSON document. Throws Error{kBadInput} with kind "json-bom", "json-syntax",
/// "json-duplicate-key", "json-too-deep" or "json-not-utf8", naming `file` and the byte.
[[nodiscard]] nlohmann::json parse_json(std::string_view text, const std::string& file);

/// Reads and parses a file.
[[nodiscard]] nlohmann::json read_json(const std::filesystem::path& path);

/// The whole number at `key`: between `low` and `high`, else Error{kBadInput, "json-field"}.
/// Absent and null give nothing.
[[nodiscard]] std::optional<std::uint64_t> optional_whole_number(const nlohmann::json& object,
                                                                 std::string_view key,
                                                                 std::uint64_t low,
                                                                 std::uint64_t high,
                                                                 const std::string& file);

}  // namespace contourfuse
