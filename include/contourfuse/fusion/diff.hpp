// What differs between two checkpoints, tensor by tensor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "contourfuse/core/dtype.hpp"
#include "contourfuse/core/execution.hpp"
#include "contourfuse/core/shape.hpp"

namespace contourfuse {

enum class TensorDifference : std::uint8_t { kSame, kChanged, kOnlyInA, kOnlyInB, kReshaped };

struct TensorDiff {
  std::string name{};
  TensorDifference difference = TensorDifference::kSame;
  DType dtype_a = DType::kBF16;
  DType dtype_b = DType::kBF16;
  Shape shape_a{};
  Shape shape_b{};
  std::uint64_t elements = 0;
  std::uint64_t changed = 0;      ///< elements whose stored bits differ
  std::optional<double> drift{};  ///< ‖b − a‖ / ‖a‖, of editable types
  std::optional<double> cosine{};
  std::optional<double> max_change{};  ///< max |b − a|
};

struct DiffReport {
  std::vector<TensorDiff> tensors{};  ///< by name; those that are the same only with `all`
  std::uint64_t same = 0;
  std::uint64_t changed = 0;
  std::uint64_t only_in_a = 0;
  std::uint64_t only_in_b = 0;
  std::uint64_t reshaped = 0;
  std::uint64_t bytes = 0;
  double seconds = 0;
};

/// `a` and `b` are checkpoint folders or hub ids, or single safetensors files. Memory is bounded;
/// sums by the block scheme, so the numbers do not depend on threads.
[[nodiscard]] DiffReport diff_checkpoints(const std::string& a, const std::string& b, bool all,
                                          const Execution& execution);

}  // namespace contourfuse
