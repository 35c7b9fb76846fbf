// The algorithms of a grid by Thrust: one template for a device and, in tests, the host.
#pragma once

#include <thrust/fill.h>
#include <thrust/for_each.h>
#include <thrust/iterator/constant_iterator.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/transform_iterator.h>
#include <thrust/reduce.h>
#include <thrust/scan.h>
#include <thrust/scatter.h>
#include <thrust/sort.h>

#include <cmath>
#include <cstdint>
#include <utility>

#include "grid/slice_elements.cuh"

namespace contourfuse::device {

/// Writes an element's keys.
struct WriteKeys {
  SpectraCall call;

  CONTOURFUSE_HOST_DEVICE void operator()(std::uint64_t index) const {
    const ElementPair pair(call.slice, index);
    write(pair, index, Spectrum::kMoved);
    write(pair, index, Spectrum::kChanged);
    write(pair, index, Spectrum::kFlipped);
    if (call.slice.role == ScfRole::kGate) write(pair, index, Spectrum::kWithin);
  }

 private:
  CONTOURFUSE_HOST_DEVICE void write(const ElementPair& pair, std::uint64_t index,
                                     Spectrum spectrum) const {
    const auto row = static_cast<std::uint32_t>(spectrum);
    std::uint32_t bin = first_point({call.slice, pair, spectrum}, call.points, call.point_count);
    if (spectrum == Spectrum::kChanged && pair.weight == 0.0F) {
      // The sign of t is the same at every point.
      bin = bin < call.point_count ? kNegativeZeroBin : call.point_count;
    }
    call.keys[row * call.slice.count + index] =
        static_cast<std::uint16_t>(row * kSpectrumBins + bin);
  }
};

/// The spectrum that a key belongs to.
struct SpectrumOfKey {
  CONTOURFUSE_HOST_DEVICE std::uint32_t operator()(std::uint32_t key) const {
    return key / kSpectrumBins;
  }
};

/// Adds one lane of a block.
struct SumProductLane {
  ProductMomentsCall call;

  CONTOURFUSE_HOST_DEVICE void operator()(std::uint64_t index) const {
    const std::uint64_t block = index / kLanes;
    const std::uint64_t lane = index % kLanes;
    const std::uint64_t begin = block * kBlockElements;
    double sum = 0;
    double squares = 0;
    for (std::uint64_t i = lane; i < kBlockElements && begin + i < call.slice.count; i += kLanes) {
      const ElementPair pair(call.slice, begin + i);
      const double product = static_cast<double>(pair.delta) * static_cast<double>(pair.weight);
      sum = sum + product;
      squares = fma(product, product, squares);
    }
    call.lanes[2 * block * kLanes + lane] = sum;
    call.lanes[(2 * block + 1) * kLanes + lane] = squares;
  }
};

/// Folds the lanes of a block.
struct FoldProductLanes {
  ProductMomentsCall call;

  CONTOURFUSE_HOST_DEVICE void operator()(std::uint64_t block) const {
    double* const lanes = call.lanes + 2 * block * kLanes;
    call.blocks[block] = {fold_lanes(lanes), fold_lanes(lanes + kLanes)};
  }
};

/// Adds one chain of a block, in the order of its elements.
struct SumGateChain {
  GateSumsCall call;

  CONTOURFUSE_HOST_DEVICE void operator()(std::uint64_t index) const {
    const std::uint32_t bins = call.point_count + 1;
    GateSums* const sums = call.chains + index * bins;
    for (std::uint32_t bin = 0; bin < bins; ++bin) sums[bin] = GateSums{};
    const std::uint64_t begin = index / kGateChains * kBlockElements;
    for (std::uint64_t i = index % kGateChains; i < kBlockElements && begin + i < call.slice.count;
         i += kGateChains) {
      add(begin + i, sums);
    }
  }

 private:
  CONTOURFUSE_HOST_DEVICE void add(std::uint64_t element, GateSums* sums) const {
    const ElementPair pair(call.slice, element);
    const std::uint32_t first_key = static_cast<std::uint32_t>(Spectrum::kWithin) * kSpectrumBins;
    GateSums& sum = sums[call.keys[element] - first_key];
    const double w = pair.weight;
    const double product = static_cast<double>(pair.delta) * w;
    sum.change2 = fma(product, product, sum.change2);
    sum.change = sum.change + product;
    sum.weight2 = sum.weight2 + w * w;
    sum.weight = sum.weight + (bits_of_float(pair.delta) >> 31 != 0 ? -w : w);
  }
};

/// Adds a bin of a range's blocks, in their order.
struct FoldGateChains {
  GateSumsCall call;

  CONTOURFUSE_HOST_DEVICE void operator()(std::uint64_t index) const {
    const std::uint32_t bins = call.point_count + 1;
    const std::uint64_t begin = index / bins * kRangeBlocks;
    GateSums sum;
    for (std::uint64_t i = 0; i < kRangeBlocks && begin + i < call.slice.blocks(); ++i) {
      const GateSums* const chain = call.chains + (begin + i) * kGateChains * bins + index % bins;
      sum = sum + ((chain[0] + chain[bins]) + (chain[2 * bins] + chain[3 * bins]));
    }
    call.ranges[index] = sum;
  }
};

/// Adds the odds of one lane of a block at every point.
struct SumOddsLane {
  OddsCall call;

  CONTOURFUSE_HOST_DEVICE void operator()(std::uint64_t index) const {
    const std::uint64_t block = index / kLanes;
    const std::uint64_t begin = block * kBlockElements;
    for (std::uint32_t point = 0; point < call.point_count; ++point) {
      std::uint64_t odds = 0;
      for (std::uint64_t i = index % kLanes; i < kBlockElements && begin + i < call.slice.count;
           i += kLanes) {
        const ElementPair pair(call.slice, begin + i);
        if (pair.weight == 0.0F) continue;
        const float contour = pair.contour(call.slice.role, call.points[point]);
        odds += use_format(call.slice.weight_dtype, OddsOfChange{contour, pair.weight});
      }
      call.blocks[(block * call.point_count + point) * kLanes + index % kLanes] = odds;
    }
  }
};

/// Adds the odds of a range at a point.
struct FoldOdds {
  OddsCall call;

  CONTOURFUSE_HOST_DEVICE void operator()(std::uint64_t index) const {
    const std::uint64_t begin = index / call.point_count * kRangeBlocks;
    const std::uint64_t point = index % call.point_count;
    std::uint64_t odds = 0;
    for (std::uint64_t i = 0; i < kRangeBlocks && begin + i < call.slice.blocks(); ++i) {
      const std::uint64_t* const lanes =
          call.blocks + ((begin + i) * call.point_count + point) * kLanes;
      for (std::uint64_t lane = 0; lane < kLanes; ++lane) odds += lanes[lane];
    }
    call.ranges[index] = odds;
  }
};

/// `Policy` is an execution policy of Thrust; calls are in its order.
template <class Policy>
class ThrustAlgorithms {
 public:
  explicit ThrustAlgorithms(Policy policy) : policy_(std::move(policy)) {}

  void write_keys(const SpectraCall& call) const { each(call.slice.count, WriteKeys{call}); }

  void accumulate_keys(const AccumulateCall& call) const {
    thrust::sort(policy_, call.keys, call.keys + call.key_count);
    const auto ends =
        thrust::reduce_by_key(policy_, call.keys, call.keys + call.key_count,
                              thrust::constant_iterator<std::uint32_t>(1), call.found, call.counts);
    constexpr std::uint32_t kBins = kSpectra * kSpectrumBins;
    thrust::fill(policy_, call.spectra, call.spectra + kBins, 0U);
    thrust::scatter(policy_, call.counts, ends.second, call.found, call.spectra);
    const auto spectrum = thrust::make_transform_iterator(
        thrust::counting_iterator<std::uint32_t>(0), SpectrumOfKey{});
    thrust::inclusive_scan_by_key(policy_, spectrum, spectrum + kBins, call.spectra, call.spectra);
  }

  void measure_products(const ProductMomentsCall& call) const {
    each(call.slice.blocks() * kLanes, SumProductLane{call});
    each(call.slice.blocks(), FoldProductLanes{call});
  }

  void sum_gate(const GateSumsCall& call) const {
    each(call.slice.blocks() * kGateChains, SumGateChain{call});
    each(call.slice.ranges() * (call.point_count + 1), FoldGateChains{call});
  }

  void sum_odds(const OddsCall& call) const {
    each(call.slice.blocks() * kLanes, SumOddsLane{call});
    each(call.slice.ranges() * call.point_count, FoldOdds{call});
  }

 private:
  template <class Work>
  void each(std::uint64_t count, const Work& work) const {
    using Index = thrust::counting_iterator<std::uint64_t>;
    thrust::for_each(policy_, Index(0), Index(count), work);
  }

  Policy policy_;
};

}  // namespace contourfuse::device
