// Anonymous mappings as owners.
#include "contourfuse/io/page_buffer.hpp"

#include <sys/mman.h>

#include <new>
#include <utility>

namespace contourfuse {

PageBuffer::PageBuffer(std::size_t bytes) {
  const std::size_t whole = block_up(bytes) + kDirectBlock;
  void* const address =
      ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) throw std::bad_alloc();
  pages_ = {static_cast<std::byte*>(address), whole};
}

PageBuffer::PageBuffer(PageBuffer&& other) noexcept : pages_(std::exchange(other.pages_, {})) {}

PageBuffer& PageBuffer::operator=(PageBuffer&& other) noexcept {
  std::swap(pages_, other.pages_);
  return *this;
}

PageBuffer::~PageBuffer() {
  if (!pages_.empty()) ::munmap(pages_.data(), pages_.size());
}

}  // namespace contourfuse
