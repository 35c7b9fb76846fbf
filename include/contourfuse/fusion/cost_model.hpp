// What a fuse on GPUs costs, from bytes and rates alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace contourfuse {

/// What is moved.
struct FuseSize {
  std::uint64_t checkpoint_bytes = 0;
  std::uint64_t down_elements = 0;  ///< covered
  std::uint64_t gate_elements = 0;
  std::uint64_t weight_bytes = 2;  ///< of an element
  std::uint64_t delta_bytes = 2;
  bool stored_delta = true;  ///< false: made on the device
};

/// Bytes a second. The rates of transfers and memory are those of one GPU.
struct FuseRates {
  double read = 0;   ///< of storage
  double write = 0;  ///< of storage
  double to_device = 0;
  double from_device = 0;
  double device_memory = 0;
  unsigned devices = 1;
};

struct CostStage {
  std::string_view name{};
  std::string_view resource{};
  double bytes = 0;
  double seconds = 0;
};

struct FuseCost {
  std::vector<CostStage> stages{};
  std::string_view limit{};       ///< the resource that is busy longest
  double seconds = 0;             ///< how long: all else overlaps with it
  double unoverlapped = 0;        ///< sum of all stages
  double memory_per_element = 0;  ///< bytes of device memory traffic per covered element
};

/// Stages of the device pipeline. Storage is read and written once; the transfers and the kernels'
/// traffic count covered elements: moments read down's weights and all deltas, SCF reads weight and
/// delta and writes the weight, with one record of 136 bytes a block. Throws Error{kUsage,
/// "bad-rate"} for a rate that is not positive.
[[nodiscard]] FuseCost model_fuse_cost(const FuseSize& size, const FuseRates& rates);

/// Published rates of a card and of its PCIe generation.
struct Card {
  std::string_view name{};
  double memory = 0;    ///< bytes a second
  double transfer = 0;  ///< of PCIe in one direction, as pinned copies reach it
};
[[nodiscard]] const std::vector<Card>& known_cards();

}  // namespace contourfuse
