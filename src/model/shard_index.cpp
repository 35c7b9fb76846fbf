// Reading and checking of the index.
#include "shard_index.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/json.hpp"

namespace contourfuse {
namespace {

[[noreturn]] void refuse_index(const char* kind, std::string message, const std::string& file) {
  throw Error(Failure::kBadInput, kind, std::move(message), Place{.file = file});
}

bool is_shard_name(std::string_view name) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  return name.ends_with(".safetensors") && !name.starts_with('.') &&
         name.find_first_of("/\\") == std::string_view::npos &&
         std::none_of(name.begin(), name.end(), control);
}

void read_total_size(const nlohmann::json& root, ShardIndex& index) {
  const auto metadata = root.find("metadata");
  if (metadata == root.end() || !metadata->is_object()) return;
  const auto total = metadata->find("total_size");
  if (total == metadata->end() || total->is_null()) return;
  if (total->is_number_unsigned()) {
    index.total_size = total->get<std::uint64_t>();
  } else {
    index.bad_total_size = true;
  }
}

}  // namespace

ShardIndex parse_shard_index(std::string_view text, const std::string& file) {
  const nlohmann::json root = parse_json(text, file);
  if (!root.is_object()) refuse_index("index-field", "the index is not a JSON object", file);
  const auto map = root.find("weight_map");
  if (map == root.end() || !map->is_object()) {
    refuse_index("index-field", "the index has no object \"weight_map\"", file);
  }
  if (map->empty()) refuse_index("index-empty", "the index names no tensor", file);
  ShardIndex index;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string()) {
      throw Error(Failure::kBadInput, "index-field", "the index gives no file name for this tensor",
                  Place{.file = file, .tensor = tensor});
    }
    const auto& name = shard.get_ref<const std::string&>();
    if (!index.shards.contains(name)) {
      if (!is_shard_name(name)) {
        throw Error(Failure::kBadInput, "shard-name",
                    fmt::format("the index names the shard {}, which is no plain file name that "
                                "ends in .safetensors",
                                nlohmann::json(name).dump()),
                    Place{.file = file, .tensor = tensor});
      }
      index.shards.insert(name);
    }
    index.shard_of.emplace_hint(index.shard_of.end(), tensor, name);
  }
  read_total_size(root, index);
  return index;
}

std::vector<std::string> check_shard_index(
    const ShardIndex& index,
    const std::map<std::string, const SafetensorsHeader*, std::less<>>& headers) {
  for (const auto& [tensor, shard] : index.shard_of) {
    if (headers.at(shard)->find(tensor) == nullptr) {
      throw Error(Failure::kBadInput, "tensor-not-in-shard",
                  "the index places this tensor in this shard, which does not hold it",
                  Place{.file = shard, .tensor = tensor},
                  "the index and the shards are of different versions; fetch the checkpoint again");
    }
  }
  std::vector<std::string> problems;
  std::uint64_t bytes = 0;
  for (const auto& [shard, header] : headers) {
    for (const TensorInfo& tensor : header->tensors()) {
      // Each shard is contiguous and a real file, so that the sum cannot overflow.
      bytes += tensor.end - tensor.begin;
      const auto known = index.shard_of.find(tensor.name);
      if (known == index.shard_of.end()) {
        problems.push_back(
            fmt::format("{} holds {}, which the index does not know", shard, tensor.name));
      } else if (known->second != shard) {
        problems.push_back(fmt::format("{} holds {}, which the index places in {}", shard,
                                       tensor.name, known->second));
      }
    }
  }
  if (index.bad_total_size) {
    problems.push_back("the index's total_size is no whole number");
  } else if (index.total_size && *index.total_size != bytes) {
    problems.push_back(fmt::format("the index's total_size is {}, the shards hold {} bytes",
                                   *index.total_size, bytes));
  }
  return problems;
}

}  // namespace contourfuse
