// What a fuse costs by bytes and rates.
#include "bench_cost.hpp"

#include <fmt/format.h>

#include "console.hpp"
#include "contourfuse/model/synth.hpp"
#include "contourfuse/report/table.hpp"

namespace contourfuse {
namespace {

// A fast NVMe drive; said in the output, as any rate that was not given.
constexpr double kStorageRead = 7e9;
constexpr double kStorageWrite = 5e9;

FuseRates rates_of(const CostFlags& flags) {
  FuseRates rates = flags.rates;
  for (const Card& card : known_cards()) {
    if (card.name != flags.card) continue;
    if (rates.device_memory == 0) rates.device_memory = card.memory;
    if (rates.to_device == 0) rates.to_device = card.transfer;
    if (rates.from_device == 0) rates.from_device = card.transfer;
  }
  if (rates.read == 0) rates.read = kStorageRead;
  if (rates.write == 0) rates.write = kStorageWrite;
  return rates;
}

nlohmann::ordered_json cost_document(const CostFlags& flags, const FuseSize& size,
                                     const FuseRates& rates, const FuseCost& cost) {
  nlohmann::ordered_json document;
  document["schema"] = "contourfuse.cost/1";
  document["like"] = flags.like;
  document["card"] = flags.card;
  document["delta"] = size.stored_delta ? "stored" : "recipe";
  document["rates"] = {{"read", rates.read},
                       {"write", rates.write},
                       {"to_device", rates.to_device},
                       {"from_device", rates.from_device},
                       {"device_memory", rates.device_memory},
                       {"devices", rates.devices}};
  document["stages"] = nlohmann::ordered_json::array();
  for (const CostStage& stage : cost.stages) {
    document["stages"].push_back({{"name", stage.name},
                                  {"resource", stage.resource},
                                  {"bytes", stage.bytes},
                                  {"seconds", stage.seconds}});
  }
  document["memory_bytes_per_element"] = cost.memory_per_element;
  document["limit"] = cost.limit;
  document["seconds"] = cost.seconds;
  document["seconds_without_overlap"] = cost.unoverlapped;
  return document;
}

}  // namespace

int model_of_cost(const CostFlags& flags, const RunFlags& run) {
  const ModelSize model = synth_size(flags.like);
  FuseSize size;
  size.checkpoint_bytes = model.checkpoint_bytes;
  size.down_elements = model.down_elements;
  size.gate_elements = model.gate_elements;
  size.stored_delta = !flags.recipe;
  const FuseRates rates = rates_of(flags);
  const FuseCost cost = model_fuse_cost(size, rates);
  if (run.json) {
    print_document(cost_document(flags, size, rates, cost));
    return 0;
  }
  print_text(fmt::format("fuse of {} (all layers, bf16, delta {}) on {} × {}\n", flags.like,
                         flags.recipe ? "made on the device" : "stored", rates.devices,
                         flags.card));
  Table table({{"stage", Align::kLeft}, {"resource", Align::kLeft}, {"bytes"}, {"time"}});
  for (const CostStage& stage : cost.stages) {
    table.add_row({std::string(stage.name), std::string(stage.resource),
                   format_bytes(static_cast<std::uint64_t>(stage.bytes)),
                   fmt::format("{:.3f} s", stage.seconds)});
  }
  print_text(table.text());
  print_text(fmt::format(
      "limit: {}, {:.2f} s ({:.2f} s if nothing overlapped); {:.2f} bytes of device memory traffic "
      "per element\nrates: storage {} read, {} write; PCIe {} in, {} out; device memory {}\n",
      cost.limit, cost.seconds, cost.unoverlapped, cost.memory_per_element, format_rate(rates.read),
      format_rate(rates.write), format_rate(rates.to_device), format_rate(rates.from_device),
      format_rate(rates.device_memory)));
  return 0;
}

std::string card_names() {
  std::string names;
  for (const Card& card : known_cards())
    names += (names.empty() ? "" : "|") + std::string(card.name);
  return names;
}

}  // namespace contourfuse
