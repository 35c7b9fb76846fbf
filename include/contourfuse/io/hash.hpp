// XXH3, by the xxHash library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace contourfuse {

[[nodiscard]] std::uint64_t xxh3_64(std::string_view bytes) noexcept;

/// XXH3-128 of a stream, printed as 32 hexadecimal digits, high half first.
class Hash128 {
 public:
  Hash128();
  Hash128(Hash128&&) noexcept;
  Hash128& operator=(Hash128&&) noexcept;
  ~Hash128();
  void update(std::span<const std::byte> bytes) noexcept;
  void update(std::string_view text) noexcept;
  [[nodiscard]] std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// XXH3-128 of a text, as Hash128 prints it.
[[nodiscard]] std::string hash_text(std::string_view text);

/// XXH3-128 of a whole file, read in buffers.
[[nodiscard]] std::string hash_file(const std::filesystem::path& path);

}  // namespace contourfuse
