// The shared arrays of CUDA blocks.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace contourfuse::host_cuda {

/// What a block may declare as static shared memory on every device.
inline constexpr std::size_t kMostSharedBytes = std::size_t{48} << 10;

/// What a kernel's declaration of a shared array asks for.
struct SharedRequest {
  const void* declaration = nullptr;  ///< its address names the array
  std::size_t bytes = 0;
  std::size_t alignment = 1;
};

/// The arrays of the block that runs. Each is a heap block of its exact size, so that
/// AddressSanitizer sees an overrun, and starts as garbage (NaN where it is read as numbers).
class SharedArrays {
 public:
  /// The block's array of that declaration, made on the first call. Null: the block's arrays
  /// exceed kMostSharedBytes.
  [[nodiscard]] void* find_or_make(const SharedRequest& request);

  /// The next find_or_make() is of another block. The arrays of the last stay until
  /// release(): the race checker would take an address handed out again for the same array.
  void next_block();
  void release();

 private:
  struct Free {
    std::size_t alignment = 1;
    void operator()(std::byte* bytes) const;
  };
  struct Array {
    const void* declaration;
    std::unique_ptr<std::byte, Free> bytes;
  };

  std::vector<Array> arrays_{};
  std::size_t first_of_block_ = 0;
  std::size_t bytes_of_block_ = 0;
};

}  // namespace contourfuse::host_cuda
