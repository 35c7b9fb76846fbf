// Shared arrays: one heap block each, found by the address of the declaration.
#include "host_cuda/shared_arrays.hpp"

#include <cstring>
#include <new>
#include <utility>

#include "host_cuda/race_checker.hpp"

namespace contourfuse::host_cuda {
namespace {

constexpr unsigned char kGarbage = 0xFF;

}  // namespace

void SharedArrays::Free::operator()(std::byte* bytes) const {
  ::operator delete (bytes, std::align_val_t{alignment});
}

void* SharedArrays::find_or_make(const SharedRequest& request) {
  for (std::size_t i = first_of_block_; i < arrays_.size(); ++i) {
    if (arrays_[i].declaration == request.declaration) return arrays_[i].bytes.get();
  }
  if (request.bytes > kMostSharedBytes - bytes_of_block_) return nullptr;
  bytes_of_block_ += request.bytes;

  void* memory = ::operator new (request.bytes, std::align_val_t{request.alignment});
  std::memset(memory, kGarbage, request.bytes);
  race_checker::release(memory);
  arrays_.push_back(
      {request.declaration, {static_cast<std::byte*>(memory), Free{request.alignment}}});
  return memory;
}

void SharedArrays::next_block() {
  first_of_block_ = arrays_.size();
  bytes_of_block_ = 0;
}

void SharedArrays::release() {
  arrays_.clear();
  next_block();
}

}  // namespace contourfuse::host_cuda
