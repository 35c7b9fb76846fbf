// Products of matrices by cuBLAS.
#include "device/cublas_multiplier.hpp"

#include <string>
#include <utility>

#include "device/cublas_library.hpp"

namespace contourfuse::device {
namespace {

/// Owner of a cuBLAS handle on the current device.
class CublasHandle {
 public:
  explicit CublasHandle(const std::string& device) {
    CONTOURFUSE_CUBLAS_CHECK(cublas_library().create(&handle_), device);
  }
  CublasHandle(const CublasHandle&) = delete;
  CublasHandle& operator=(const CublasHandle&) = delete;
  ~CublasHandle() { static_cast<void>(cublas_library().destroy(handle_)); }

  [[nodiscard]] cublasHandle_t get() const noexcept { return handle_; }

 private:
  cublasHandle_t handle_ = nullptr;
};

class CublasMultiplier final : public MatrixMultiplier {
 public:
  explicit CublasMultiplier(CudaDevice& device) : device_(current(device)), handle_(device.name()) {
    const CublasLibrary& cublas = cublas_library();
    CONTOURFUSE_CUBLAS_CHECK(cublas.set_stream(handle_.get(), device.handle(Stream::kCompute)),
                             device.name());
    CONTOURFUSE_CUBLAS_CHECK(cublas.set_math_mode(handle_.get(), CUBLAS_PEDANTIC_MATH),
                             device.name());
  }

  void multiply(const MultiplyCall& call) override {
    device_.enter();
    const float one = 1;
    const float kept = call.adds ? 1.0F : 0.0F;
    const auto rows = static_cast<std::int64_t>(call.rows);
    const auto cols = static_cast<std::int64_t>(call.cols);
    const auto inner = static_cast<std::int64_t>(call.inner);
    CONTOURFUSE_CUBLAS_CHECK(
        cublas_library().multiply(handle_.get(), CUBLAS_OP_T, CUBLAS_OP_N, rows, cols, inner, &one,
                                  call.a, inner, call.b, inner, &kept, call.out, rows),
        device_.name());
  }

 private:
  static CudaDevice& current(CudaDevice& device) {
    device.enter();
    return device;
  }

  CudaDevice& device_;
  CublasHandle handle_;
};

}  // namespace

std::unique_ptr<MatrixMultiplier> make_cublas_multiplier(CudaDevice& device) {
  return std::make_unique<CublasMultiplier>(device);
}

}  // namespace contourfuse::device
