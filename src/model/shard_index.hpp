// model.safetensors.index.json: which shard holds which tensor. Untrusted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "contourfuse/io/safetensors.hpp"

namespace contourfuse {

inline constexpr std::string_view kIndexName = "model.safetensors.index.json";
inline constexpr std::string_view kSingleShardName = "model.safetensors";

struct ShardIndex {
  std::map<std::string, std::string, std::less<>> shard_of{};  ///< by tensor name
  std::set<std::string, std::less<>> shards{};                 ///< plain file names
  std::optional<std::uint64_t> total_size{};
  bool bad_total_size = false;  ///< given, but no whole number
};

/// Throws Error{kBadInput} "json-…", "index-field", "index-empty" or "shard-name": a shard must be
/// a plain, visible file name that ends in .safetensors.
[[nodiscard]] ShardIndex parse_shard_index(std::string_view text, const std::string& file);

/// Holds an index against the headers of its shards. Throws Error{kBadInput,
/// "tensor-not-in-shard"}; what is only odd comes back in words.
[[nodiscard]] std::vector<std::string> check_shard_index(
    const ShardIndex& index,
    const std::map<std::string, const SafetensorsHeader*, std::less<>>& headers);

}  // namespace contourfuse
