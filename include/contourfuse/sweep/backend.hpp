// What a device does for a sweep: the grid of one matrix, and matrix products.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/backend.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/sweep/grid.hpp"
#include "contourfuse/sweep/products.hpp"

namespace contourfuse {

/// One matrix and the values of its axis.
struct GridJob {
  const File* source = nullptr;  ///< the shard; not owned
  MatrixJob matrix{};            ///< one or more covered elements; `shard` is not used
  AlphaRule alpha_rule = AlphaRule::kSigmaRatio;  ///< of a down_proj
  bool stochastic = false;                        ///< counts are expectations
  std::vector<double> values{};  ///< α of a down_proj, γ of a gate_proj; any order
};

class SweepBackend {
 public:
  SweepBackend() = default;
  SweepBackend(const SweepBackend&) = delete;
  SweepBackend& operator=(const SweepBackend&) = delete;
  virtual ~SweepBackend() = default;
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  /// The matrix at every value, the same bits on every backend and for any number of threads. What
  /// a fuse with one of the values refuses is refused: Error{kBadInput, "non-finite"} for input or
  /// results, Error{kBadInput, "no-spread"}. Advances progress by the bytes of the covered
  /// weights. Thread-safe.
  [[nodiscard]] virtual MatrixGrid measure(const GridJob& job, const Execution& execution) = 0;
  [[nodiscard]] virtual std::unique_ptr<Products> products(const Execution& execution) = 0;
};

}  // namespace contourfuse
