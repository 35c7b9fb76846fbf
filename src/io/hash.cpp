// XXH3 through the library's own choice of instruction set.
#include "contourfuse/io/hash.hpp"

#include <fmt/format.h>
#include <xxhash.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
// Redirects the calls below to SSE2, AVX2 or AVX-512, whichever the processor has.
#include <xxh_x86dispatch.h>
#endif

#include <algorithm>
#include <new>
#include <vector>

#include "contourfuse/io/file.hpp"

namespace contourfuse {

std::uint64_t xxh3_64(std::string_view bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

struct Hash128::State {
  State() : stream(XXH3_createState()) {
    if (stream == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(stream);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { XXH3_freeState(stream); }

  XXH3_state_t* stream;
};

Hash128::Hash128() : state_(std::make_unique<State>()) {}
Hash128::Hash128(Hash128&&) noexcept = default;
Hash128& Hash128::operator=(Hash128&&) noexcept = default;
Hash128::~Hash128() = default;

void Hash128::update(std::span<const std::byte> bytes) noexcept {
  if (!bytes.empty()) XXH3_128bits_update(state_->stream, bytes.data(), bytes.size());
}

void Hash128::update(std::string_view text) noexcept { update(std::as_bytes(std::span(text))); }

std::string Hash128::hex() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->stream);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string hash_text(std::string_view text) {
  Hash128 hash;
  hash.update(text);
  return hash.hex();
}

std::string hash_file(const std::filesystem::path& path) {
  constexpr std::uint64_t kBufferBytes = 1U << 20;
  const File file = File::open(path);
  const std::uint64_t bytes = file.size();
  std::vector<std::byte> buffer(std::min(bytes, kBufferBytes));
  Hash128 hash;
  for (std::uint64_t offset = 0; offset < bytes; offset += kBufferBytes) {
    const std::span piece(buffer.data(), std::min(bytes - offset, kBufferBytes));
    file.read(offset, piece);
    hash.update(piece);
  }
  return hash.hex();
}

}  // namespace contourfuse
