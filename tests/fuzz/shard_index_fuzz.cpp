// Fuzz target: the index of a checkpoint, model.safetensors.index.json.
#include "model/shard_index.hpp"

#include <map>
#include <string>
#include <vector>

#include "json_mutation.hpp"
#include "refusal.hpp"

namespace contourfuse {
namespace {

using fuzz::require;

void check_names(const ShardIndex& index) {
  require(!index.shard_of.empty(), "an index names a tensor");
  for (const std::string& shard : index.shards) {
    require(std::filesystem::path(shard).filename() == shard && shard != "." && shard != "..",
            "a shard is a plain file name");
    require(shard.find('\0') == std::string::npos && shard.ends_with(".safetensors"),
            "a shard is named to its end");
  }
  for (const auto& [tensor, shard] : index.shard_of) {
    require(index.shards.contains(shard), "every named shard is listed");
  }
}

// Against shards that hold just what the index says.
void check_against_shards(const ShardIndex& index) {
  std::map<std::string, std::vector<TensorInfo>> tensors;
  for (const auto& [tensor, shard] : index.shard_of) {
    const std::uint64_t begin = tensors[shard].size();
    tensors[shard].push_back(
        {.name = tensor, .dtype = DType::kU8, .shape = {1}, .begin = begin, .end = begin + 1});
  }
  std::map<std::string, SafetensorsHeader> shards;
  std::map<std::string, const SafetensorsHeader*, std::less<>> headers;
  for (auto& [shard, list] : tensors) {
    const std::uint64_t bytes = 8 + list.size();
    const auto& header = shards
                             .try_emplace(shard, shard, 8, bytes, std::move(list),
                                          std::map<std::string, std::string>{})
                             .first->second;
    headers.emplace(shard, &header);
  }
  const bool odd_size =
      index.bad_total_size || (index.total_size && *index.total_size != index.shard_of.size());
  require(check_shard_index(index, headers).size() == (odd_size ? 1U : 0U),
          "shards that hold what the index says are no problem");
}

}  // namespace
}  // namespace contourfuse

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return contourfuse::fuzz::mutate_json_in_place(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace contourfuse;
  const auto index =
      fuzz::accepted([&] { return parse_shard_index(fuzz::text_of(data, size), "input"); });
  if (!index) return 0;
  check_names(*index);
  check_against_shards(*index);
  return 0;
}
