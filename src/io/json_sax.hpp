// nlohmann's event parser, run over a text with the position of each event known.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "utf8.hpp"

namespace contourfuse {

/// Goes through a text and says how far it has gone.
class TrackedIterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackedIterator(const char* at, const char** reached) noexcept : at_(at), reached_(reached) {}
  reference operator*() const noexcept { return *at_; }
  TrackedIterator& operator++() noexcept {
    *reached_ = ++at_;
    return *this;
  }
  TrackedIterator operator++(int) noexcept {
    const TrackedIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const TrackedIterator& other) const noexcept { return at_ == other.at_; }

 private:
  const char* at_;
  const char** reached_;
};

/// Where the parser stands in its text. After a key, a string or a bracket: just past it; after a
/// number: one byte further.
class JsonPosition {
 public:
  explicit JsonPosition(std::string_view text) noexcept : text_(text), reached_(text.data()) {}
  JsonPosition(const JsonPosition&) = delete;
  JsonPosition& operator=(const JsonPosition&) = delete;

  [[nodiscard]] std::uint64_t bytes() const noexcept {
    return static_cast<std::uint64_t>(reached_ - text_.data());
  }
  /// Where the token behind `from`, the end of the token before, begins.
  [[nodiscard]] std::uint64_t token_after(std::uint64_t from) const noexcept {
    return std::min(text_.find_first_not_of(" \t\r\n,:", from), text_.size());
  }
  [[nodiscard]] TrackedIterator begin() noexcept { return {text_.data(), &reached_}; }
  [[nodiscard]] TrackedIterator end() noexcept { return {text_.data() + text_.size(), &reached_}; }

 private:
  std::string_view text_;
  const char* reached_;
};

/// nlohmann's identifier for a number whose magnitude no double holds.
inline constexpr int kJsonNumberOutOfRange = 406;

/// The reason in an nlohmann message "[json.exception…] parse error at …: reason".
[[nodiscard]] inline std::string json_reason(std::string_view what) {
  const std::size_t colon = what.find(": ");
  const std::size_t bracket = what.find("] ");
  if (colon != std::string_view::npos) {
    what.remove_prefix(colon + 2);
  } else if (bracket != std::string_view::npos) {
    what.remove_prefix(bracket + 2);
  }
  return shortened(what, 160);
}

}  // namespace contourfuse
