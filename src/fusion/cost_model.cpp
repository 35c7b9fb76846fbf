// What a fuse on GPUs costs, from bytes and rates alone.
#include "contourfuse/fusion/cost_model.hpp"

#include <algorithm>
#include <map>

#include "contourfuse/core/error.hpp"
#include "contourfuse/numeric/moments.hpp"
#include "contourfuse/numeric/record.hpp"

namespace contourfuse {
namespace {

constexpr double kGiga = 1e9;

double checked(double rate) {
  if (!(rate > 0)) throw Error(Failure::kUsage, "bad-rate", "every rate must be positive");
  return rate;
}

}  // namespace

FuseCost model_fuse_cost(const FuseSize& size, const FuseRates& rates) {
  const auto down = static_cast<double>(size.down_elements);
  const auto all = down + static_cast<double>(size.gate_elements);
  const auto checkpoint = static_cast<double>(size.checkpoint_bytes);
  const auto weight_bytes = static_cast<double>(size.weight_bytes);
  const auto delta_bytes = static_cast<double>(size.delta_bytes);
  const double weights = all * weight_bytes;
  const double deltas = all * delta_bytes;
  const double stored = size.stored_delta ? deltas : 0;
  const double block_results =
      all / static_cast<double>(kBlockElements) * static_cast<double>(sizeof(Record));

  const double devices = rates.devices;
  const double read = checked(rates.read);
  const double write = checked(rates.write);
  const double in = checked(rates.to_device * devices);
  const double out = checked(rates.from_device * devices);
  const double memory = checked(rates.device_memory * devices);

  FuseCost cost;
  const auto add = [&cost](std::string_view name, std::string_view resource, double bytes,
                           double rate) {
    if (bytes > 0) cost.stages.push_back({name, resource, bytes, bytes / rate});
  };
  add("read", "storage, reading", checkpoint + stored, read);
  add("copy in", "PCIe, to the device", weights + stored, in);
  add("generate", "device memory", deltas - stored, memory);
  add("moments", "device memory", down * weight_bytes + deltas, memory);
  add("scale", "device memory", 2 * weights + deltas + block_results, memory);
  add("copy out", "PCIe, from the device", weights, out);
  add("write", "storage, writing", checkpoint, write);

  std::map<std::string_view, double> busy;
  double traffic = 0;
  for (const CostStage& stage : cost.stages) {
    busy[stage.resource] += stage.seconds;
    cost.unoverlapped += stage.seconds;
    if (stage.resource == "device memory") traffic += stage.bytes;
  }
  for (const auto& [resource, seconds] : busy) {
    if (seconds <= cost.seconds) continue;
    cost.seconds = seconds;
    cost.limit = resource;
  }
  cost.memory_per_element = all > 0 ? traffic / all : 0;
  return cost;
}

const std::vector<Card>& known_cards() {
  // Memory: the makers' data sheets. PCIe: about 80 % of 32 (generation 4) or 63 GB/s (5).
  static const std::vector<Card> cards{{"a100", 2039 * kGiga, 25 * kGiga},
                                       {"h100", 3350 * kGiga, 50 * kGiga},
                                       {"rtx4090", 1008 * kGiga, 25 * kGiga},
                                       {"rtx5090", 1792 * kGiga, 50 * kGiga}};
  return cards;
}

}  // namespace contourfuse
