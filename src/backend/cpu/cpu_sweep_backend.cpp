// The CPU backend of a sweep.
#include "contourfuse/backend/cpu/cpu_sweep_backend.hpp"

#include "cblas_products.hpp"
#include "grid_measurement.hpp"

namespace contourfuse {
namespace {

class CpuSweepBackend final : public SweepBackend {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "cpu"; }
  [[nodiscard]] MatrixGrid measure(const GridJob& job, const Execution& execution) override {
    return GridMeasurement(job, execution, best_grid_kernels()).run();
  }
  [[nodiscard]] std::unique_ptr<Products> products(const Execution& execution) override {
    return make_cblas_products(execution);
  }
};

}  // namespace

std::unique_ptr<SweepBackend> make_cpu_sweep_backend() {
  return std::make_unique<CpuSweepBackend>();
}

}  // namespace contourfuse
