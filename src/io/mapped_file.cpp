// mmap as an owner.
#include "contourfuse/io/mapped_file.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "guarded_copy.hpp"
#include "io_error.hpp"

namespace contourfuse {

MappedFile::MappedFile(const File& file, std::uint64_t bytes) {
  if (bytes == 0) return;  // mmap refuses an empty range
  Place place{.file = file.path().string(), .bytes = ByteRange{0, bytes}};
  if (bytes > file.size()) {
    throw Error(Failure::kFailed, "io-short-read", "the file ends before these bytes",
                std::move(place));
  }
  install_copy_guard();
  void* const address = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  if (address == MAP_FAILED) throw_io_error(errno, "map", std::move(place));
  bytes_ = {static_cast<const std::byte*>(address), bytes};
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  // munmap takes the address that mmap gave, which is not const.
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

bool MappedFile::copy(std::uint64_t offset, std::span<std::byte> out) const noexcept {
  if (offset > bytes_.size() || out.size() > bytes_.size() - offset) return false;
  return copy_guarded(bytes_.subspan(offset, out.size()), out);
}

}  // namespace contourfuse
