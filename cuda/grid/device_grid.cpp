// One matrix at every value of its axis, on a device.
#include "grid/device_grid.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "contourfuse/core/error.hpp"
#include "contourfuse/numeric/scaling.hpp"
#include "grid/slice_elements.cuh"

namespace contourfuse::device {

SlicePlan plan_slices(const std::string& device, const GridJob& job, std::uint64_t most_elements,
                      std::uint64_t memory) {
  const MatrixJob& matrix = job.matrix;
  const std::uint64_t pair = editable_bytes(matrix.dtype) + editable_bytes(matrix.delta_dtype);
  const auto buffers = [&](std::uint64_t slice) {
    return GridBuffers::bytes(std::min(slice, matrix.covered()), matrix.role, job.stochastic);
  };
  for (std::uint64_t ranges = most_elements / kGridRangeElements; ranges > 0; ranges /= 2) {
    const std::uint64_t slice = ranges * kGridRangeElements;
    const std::uint64_t taken = buffers(slice);
    if (taken + std::min(slice, matrix.covered()) * pair <= memory) return {slice, memory - taken};
  }
  throw Error(
      Failure::kFailed, "device-memory",
      fmt::format("{}: {} bytes of memory do not hold a part of the matrix", device, memory),
      {.tensor = matrix.name}, "use --device cpu, or a device that nobody else uses");
}

DeviceGrid::DeviceGrid(const GridDevice& on, const GridJob& job, const Execution& execution,
                       const SlicePlan& plan)
    : on_(on),
      job_(job),
      execution_(execution),
      matrix_(on.pool, on.staging, job, plan.elements, plan.matrix_bytes),
      buffers_(on.pool, matrix_.most_elements(), job.matrix.role, job.stochastic) {}

MatrixGrid DeviceGrid::run() {
  const std::uint64_t bytes = job_.matrix.covered() * editable_bytes(job_.matrix.dtype);
  measure_moments();
  const std::vector<float> parameters = grid_parameters(job_, moments_);
  for (const float parameter : parameters_to_check(job_, moments_, parameters)) {
    check_elements(parameter);
  }
  execution_.advance(bytes / 2);
  if (!is_zero_delta(moments_.delta, job_.matrix.covered())) {
    groups_ = group_points(job_.matrix.role, parameters);
    tallies_.resize(groups_.size());
    for (std::uint64_t i = 0; !groups_.empty() && i < matrix_.slices(); ++i) {
      execution_.check_cancelled();
      tally(matrix_.slice(i));
    }
  }
  execution_.advance(bytes - bytes / 2);
  return make_grid(job_, moments_, parameters, groups_, tallies_);
}

void DeviceGrid::measure_moments() {
  for (std::uint64_t i = 0; i < matrix_.slices(); ++i) {
    execution_.check_cancelled();
    measure_moments(matrix_.slice(i));
  }
  moments_ = fold_pairwise(blocks_.data(), blocks_.size());
}

void DeviceGrid::measure_moments(const GridSlice& slice) {
  const auto launch = [&](DType dtype, const void* elements, const PooledMemory& blocks) {
    on_.device.launch(Stream::kCompute, MomentsCall{.dtype = dtype,
                                                    .elements = elements,
                                                    .count = slice.count,
                                                    .blocks = blocks.as<BlockMoments>()});
  };
  launch(slice.weight_dtype, slice.weight, buffers_.weight_moments);
  launch(slice.delta_dtype, slice.delta, buffers_.delta_moments);
  std::vector<BlockMoments> weight(slice.blocks());
  std::vector<BlockMoments> delta(slice.blocks());
  std::vector<Moments> product(slice.blocks());
  if (slice.role == ScfRole::kDown) {  // a gate's sums depend on γ
    on_.algorithms.measure_products({.slice = slice,
                                     .lanes = buffers_.partial_sums.as<double>(),
                                     .blocks = buffers_.product_moments.as<Moments>()});
    on_.staging.receive(buffers_.product_moments.get(), std::as_writable_bytes(std::span(product)));
  }
  on_.staging.receive(buffers_.weight_moments.get(), std::as_writable_bytes(std::span(weight)));
  on_.staging.receive(buffers_.delta_moments.get(), std::as_writable_bytes(std::span(delta)));
  for (std::size_t i = 0; i < product.size(); ++i) {
    blocks_.push_back({weight[i], delta[i], product[i]});
  }
}

void DeviceGrid::check_elements(float parameter) const {
  const MatrixJob& matrix = job_.matrix;
  const std::uint64_t weight_bytes = editable_bytes(matrix.dtype);
  const std::uint64_t delta_bytes = editable_bytes(matrix.delta_dtype);
  std::vector<std::byte> weight(kGridRangeElements * weight_bytes);
  std::vector<std::byte> delta(kGridRangeElements * delta_bytes);
  BadElements bad;
  for (std::uint64_t first = 0; first < matrix.covered(); first += kGridRangeElements) {
    execution_.check_cancelled();
    const std::uint64_t count = std::min(kGridRangeElements, matrix.covered() - first);
    read_weight(job_, first, std::span(weight).first(count * weight_bytes));
    read_delta(job_, first, std::span(delta).first(count * delta_bytes));
    const GridSlice slice{.weight_dtype = matrix.dtype,
                          .delta_dtype = matrix.delta_dtype,
                          .weight = weight.data(),
                          .delta = delta.data()};
    for (std::uint64_t i = 0; i < count; ++i) {
      const ElementPair pair(slice, i);
      if (!is_refused(matrix, pair.weight, pair.delta, parameter)) continue;
      const std::uint64_t element = first + i;
      bad.add(element / matrix.covered_cols * matrix.cols + element % matrix.covered_cols);
    }
  }
  check_finite(matrix, bad);
}

void DeviceGrid::tally(const GridSlice& slice) {
  for (std::size_t i = 0; i < groups_.size(); ++i) tally(slice, groups_[i], tallies_[i]);
}

void DeviceGrid::tally(const GridSlice& slice, const PointGroup& group, GroupTally& tally) {
  const auto points = std::as_bytes(std::span(group.parameter));
  on_.staging.send(buffers_.points.get(), points.size(), sizeof(float),
                   [&](std::uint64_t at, std::span<std::byte> out) {
                     std::ranges::copy(points.subspan(at, out.size()), out.begin());
                   });
  on_.algorithms.write_keys({.slice = slice,
                             .points = buffers_.points.as<float>(),
                             .point_count = static_cast<std::uint32_t>(group.count),
                             .keys = buffers_.keys.as<std::uint16_t>()});
  if (slice.role == ScfRole::kGate) add_gate_sums(slice, group, tally);
  if (slice.stochastic) add_odds(slice, group, tally);
  add_spectra(slice, group, tally);
}

void DeviceGrid::add_gate_sums(const GridSlice& slice, const PointGroup& group, GroupTally& tally) {
  constexpr auto kWithin = static_cast<std::uint64_t>(Spectrum::kWithin);
  const std::size_t bins = group.count + 1;
  on_.algorithms.sum_gate({.slice = slice,
                           .keys = buffers_.keys.as<std::uint16_t>() + kWithin * slice.count,
                           .point_count = static_cast<std::uint32_t>(group.count),
                           .chains = buffers_.partial_sums.as<GateSums>(),
                           .ranges = buffers_.gate_ranges.as<GateSums>()});
  std::vector<GateSums> sums(slice.ranges() * bins);
  on_.staging.receive(buffers_.gate_ranges.get(), std::as_writable_bytes(std::span(sums)));
  for (std::size_t i = 0; i < sums.size(); ++i) {
    tally.sums[i % bins] = tally.sums[i % bins] + sums[i];
  }
}

void DeviceGrid::add_odds(const GridSlice& slice, const PointGroup& group, GroupTally& tally) {
  on_.algorithms.sum_odds({.slice = slice,
                           .points = buffers_.points.as<float>(),
                           .point_count = static_cast<std::uint32_t>(group.count),
                           .blocks = buffers_.partial_sums.as<std::uint64_t>(),
                           .ranges = buffers_.odds_ranges.as<std::uint64_t>()});
  std::vector<std::uint64_t> odds(slice.ranges() * group.count);
  on_.staging.receive(buffers_.odds_ranges.get(), std::as_writable_bytes(std::span(odds)));
  // Exact: a range has 2^20 elements at most.
  for (std::size_t i = 0; i < odds.size(); ++i) {
    tally.expected[i % group.count] += static_cast<double>(odds[i]) / static_cast<double>(kCertain);
  }
}

void DeviceGrid::add_spectra(const GridSlice& slice, const PointGroup& group, GroupTally& tally) {
  const std::uint64_t rows = slice.role == ScfRole::kGate ? kSpectra : kSpectra - 1;
  on_.algorithms.accumulate_keys({.keys = buffers_.keys.as<std::uint16_t>(),
                                  .key_count = rows * slice.count,
                                  .found = buffers_.found.as<std::uint16_t>(),
                                  .counts = buffers_.counts.as<std::uint32_t>(),
                                  .spectra = buffers_.spectra.as<std::uint32_t>()});
  std::array<std::array<std::uint32_t, kSpectrumBins>, kSpectra> spectra{};
  on_.staging.receive(buffers_.spectra.get(), std::as_writable_bytes(std::span(spectra)));
  FirstPointCounts* const sums[kSpectra] = {&tally.moved, &tally.changed, &tally.flipped,
                                            &tally.within};
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i <= group.count; ++i) (*sums[row])[i] += spectra[row][i];
  }
  const auto& changed = spectra[static_cast<std::size_t>(Spectrum::kChanged)];
  tally.negative_zeros += changed[kNegativeZeroBin] - changed[kNegativeZeroBin - 1];
}

}  // namespace contourfuse::device
