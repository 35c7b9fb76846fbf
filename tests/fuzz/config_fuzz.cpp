// Fuzz target: config.json.
#include "contourfuse/model/config.hpp"

#include <algorithm>
#include <string>

#include "json_mutation.hpp"
#include "refusal.hpp"

namespace contourfuse {
namespace {

using fuzz::require;

constexpr std::uint64_t kMaxSize = 1ULL << 31;
constexpr std::uint64_t kLayersAsked = 300;

void check(const ModelConfig& config) {
  for (const auto& size : {config.layers, config.hidden_size, config.intermediate_size,
                           config.sliding_window_pattern}) {
    require(!size || (*size >= 1 && *size <= kMaxSize), "sizes are from 1 to 2^31");
  }
  require(!config.rms_norm_eps || *config.rms_norm_eps >= 0, "an epsilon is no less than 0");
  require(
      config.layer_types.empty() || !config.layers || config.layer_types.size() == *config.layers,
      "a kind for each layer");
  const std::uint64_t count = config.layers.value_or(kLayersAsked);
  const auto asked = [&](std::uint64_t layer) {
    const LayerKind kind = config.kind_of(layer, count);
    require(kind == LayerKind::kSliding || kind == LayerKind::kGlobal, "a layer has a kind");
    if (!config.intermediate_size) return;
    const std::uint64_t width = config.intermediate_size_of(layer);
    require(width == *config.intermediate_size || width == 2 * *config.intermediate_size,
            "a layer is as wide as said or twice that");
  };
  for (std::uint64_t layer = 0; layer < std::min(count, kLayersAsked); ++layer) asked(layer);
  asked(count - 1);
}

}  // namespace
}  // namespace contourfuse

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return contourfuse::fuzz::mutate_json_in_place(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace contourfuse;
  const auto config =
      fuzz::accepted([&] { return parse_config(fuzz::text_of(data, size), "input"); });
  if (config) check(*config);
  return 0;
}
