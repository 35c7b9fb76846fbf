// Device memory of the matrices under way, and how much of it there is.
#include "pipeline/buffers.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "contourfuse/core/error.hpp"
#include "kernels/arguments.hpp"

namespace contourfuse::device {
std::uint64_t blocks_of(std::uint64_t elements) {
  return (elements + kBlockElements - 1) / kBlockElements;
}

namespace {

/// Largest of what any matrix needs.
struct Needs {
  std::uint64_t covered = 0;
  std::uint64_t weight_bytes = 0;
  std::uint64_t delta_bytes = 0;
  std::uint64_t weight_element = 0;
  std::uint64_t delta_element = 0;
  std::uint64_t tables = 0;
  std::uint64_t matrices = 0;
};

Needs needs_of(const FuseJob& job) {
  Needs needs;
  for (const MatrixJob& matrix : job.matrices) {
    if (matrix.covered() == 0) continue;
    const std::uint64_t weight = editable_bytes(matrix.dtype);
    const std::uint64_t delta = editable_bytes(matrix.delta_dtype);
    needs.covered = std::max(needs.covered, matrix.covered());
    needs.weight_bytes = std::max(needs.weight_bytes, matrix.covered() * weight);
    needs.delta_bytes = std::max(needs.delta_bytes, matrix.covered() * delta);
    needs.weight_element = std::max(needs.weight_element, weight);
    needs.delta_element = std::max(needs.delta_element, delta);
    ++needs.matrices;
    // Tables are made when they are asked for: one matrix speaks for all.
    if (needs.tables == 0 && !matrix.delta->stored()) {
      if (const auto tables = matrix.delta->tables()) needs.tables = table_bytes(*tables);
    }
  }
  return needs;
}

/// Bytes of a set but for its tile.
std::uint64_t fixed_bytes(const Needs& needs) {
  const std::uint64_t values = fold_values(blocks_of(needs.covered));
  return 2 * aligned_bytes(values * sizeof(BlockMoments)) + aligned_bytes(values * sizeof(Record)) +
         aligned_bytes(sizeof(Scaling)) + aligned_bytes(needs.tables);
}

}  // namespace

std::uint64_t fold_values(std::uint64_t count) noexcept {
  std::uint64_t values = count;
  while (count > 1) {
    count = (count + kFoldRun - 1) / kFoldRun;
    values += count;
  }
  return values;
}

std::uint64_t table_bytes(const DeltaTables& tables) noexcept {
  return aligned_bytes(tables.gate_table.size_bytes()) +
         aligned_bytes(tables.down_table.size_bytes()) + aligned_bytes(tables.frames.size_bytes()) +
         aligned_bytes(tables.signs.size_bytes()) + aligned_bytes(tables.exponents.size_bytes()) +
         aligned_bytes(tables.coefficients.size_bytes());
}

BufferPlan plan_buffers(const FuseJob& job, std::uint64_t memory, const std::string& device) {
  const Needs needs = needs_of(job);
  BufferPlan plan;
  plan.blocks = blocks_of(needs.covered);
  plan.tile_elements = std::max<std::uint64_t>(1, plan.blocks) * kBlockElements;
  if (needs.matrices == 0) return plan;
  const std::uint64_t fixed = fixed_bytes(needs);
  const std::uint64_t whole =
      fixed + aligned_bytes(needs.weight_bytes) + aligned_bytes(needs.delta_bytes);
  plan.weight_bytes = needs.weight_bytes;
  plan.delta_bytes = needs.delta_bytes;
  if (whole <= memory) {
    plan.sets = needs.matrices > 1 && whole <= memory / 2 ? 2 : 1;
    return plan;
  }
  const std::uint64_t block = kBlockElements * (needs.weight_element + needs.delta_element);
  if (memory < fixed + block) {
    throw Error(Failure::kFailed, "device-memory",
                fmt::format("{}: {} bytes of memory are free, and the largest matrix needs {} "
                            "even block by block",
                            device, memory, fixed + block));
  }
  plan.sets = 1;
  plan.tile_elements = (memory - fixed) / block * kBlockElements;
  plan.weight_bytes = plan.tile_elements * needs.weight_element;
  plan.delta_bytes = plan.tile_elements * needs.delta_element;
  return plan;
}

MatrixBuffers::MatrixBuffers(SharedDevice& device, const BufferPlan& plan)
    : weight(device_memory(device, plan.weight_bytes)),
      delta(device_memory(device, plan.delta_bytes)),
      weight_moments(device_memory(device, fold_values(plan.blocks) * sizeof(BlockMoments))),
      delta_moments(device_memory(device, fold_values(plan.blocks) * sizeof(BlockMoments))),
      records(device_memory(device, fold_values(plan.blocks) * sizeof(Record))),
      scaling(device_memory(device, sizeof(Scaling))),
      filled(device.create_event()),
      computed(device.create_event()),
      emptied(device.create_event()) {}

void MatrixBuffers::reserve_tables(Device& device, std::uint64_t bytes) {
  if (bytes <= tables_bytes) return;
  tables = {};
  tables = device_memory(device, bytes);
  tables_bytes = bytes;
}

}  // namespace contourfuse::device
