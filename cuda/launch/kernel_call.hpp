// One launch of a kernel as plain data: what the pipeline orders and a device executes.
#pragma once

#include <cstdint>
#include <variant>

#include "contourfuse/core/dtype.hpp"
#include "contourfuse/numeric/moments.hpp"
#include "contourfuse/numeric/record.hpp"
#include "contourfuse/numeric/scf.hpp"
#include "kernels/arguments.hpp"

namespace contourfuse::device {

/// Moments of every block of `count` elements.
struct MomentsCall {
  DType dtype = DType::kBF16;
  const void* elements = nullptr;
  std::uint64_t count = 0;
  BlockMoments* blocks = nullptr;
};

/// One level of the pairwise fold: ⌈count / 8⌉ values from `count` ≥ 1.
struct FoldMomentsCall {
  const BlockMoments* values = nullptr;
  std::uint64_t count = 0;
  BlockMoments* folded = nullptr;
};
struct FoldRecordsCall {
  const Record* values = nullptr;
  std::uint64_t count = 0;
  Record* folded = nullptr;
};

struct SettleCall {
  const BlockMoments* weight = nullptr;  ///< read only under a rule that normalizes
  const BlockMoments* delta = nullptr;
  ScalingRule how{};
  Scaling* scaling = nullptr;
};

/// SCF in place, and a record for every block of the range.
struct ScfCall {
  ScfRole role = ScfRole::kDown;
  DType weight_dtype = DType::kBF16;
  DType delta_dtype = DType::kBF16;
  bool stochastic = false;
  void* weight = nullptr;
  const void* delta = nullptr;
  CoveredRange range{};
  const Scaling* scaling = nullptr;
  RoundingKey key{};
  Record* records = nullptr;
};

/// Elements [first, first + count) of a made delta, as bf16.
struct GenerateCall {
  ScfRole role = ScfRole::kDown;
  GeneratorTables tables{};
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::uint16_t* out = nullptr;
};

using KernelCall =
    std::variant<MomentsCall, FoldMomentsCall, FoldRecordsCall, SettleCall, ScfCall, GenerateCall>;

}  // namespace contourfuse::device
