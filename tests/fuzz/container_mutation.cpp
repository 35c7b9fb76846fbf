// Changes of a safetensors file, part by part.
#include "container_mutation.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "json_mutation.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace contourfuse::fuzz {

std::size_t mutate_container_in_place(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                      unsigned seed) {
  constexpr std::size_t kLength = sizeof(std::uint64_t);
  std::uint64_t header_bytes = 0;
  if (size >= kLength) std::memcpy(&header_bytes, data, kLength);
  const bool parts = size >= kLength && header_bytes <= size - kLength;
  if (!parts || seed % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);

  std::string header(reinterpret_cast<const char*>(data) + kLength, header_bytes);
  std::string payload(reinterpret_cast<const char*>(data) + kLength + header_bytes,
                      size - kLength - header_bytes);
  if (seed % 8 < 5 || payload.empty()) {
    header = mutate_json(header, seed / 8);
  } else {
    // Of one length: another would break the rule of contiguity, and nothing behind it is reached.
    LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(payload.data()), payload.size(),
                     payload.size());
  }
  header_bytes = header.size();
  std::string file(kLength, '\0');
  std::memcpy(file.data(), &header_bytes, kLength);
  file += header + payload;
  const std::size_t kept = std::min(file.size(), max_size);
  std::memcpy(data, file.data(), kept);
  return kept;
}

}  // namespace contourfuse::fuzz
