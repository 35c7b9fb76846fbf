// What a path is: checkpoint, fused checkpoint, delta, bank, shard.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace contourfuse {

/// The document of `inspect --json` (docs/cli.md). `layer` adds the cells of a delta's layer or
/// limits a checkpoint's table to it. A fused checkpoint is kind "checkpoint" with a `fused` object
/// (parameters, edited count, totals) from its manifest.
[[nodiscard]] nlohmann::ordered_json inspect(const std::string& path,
                                             std::optional<std::uint64_t> layer);

}  // namespace contourfuse
