// How a fuzz target asks a parser: refused in the parser's own way, accepted, or a finding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "contourfuse/core/error.hpp"

namespace contourfuse::fuzz {

/// What is not so is a finding: libFuzzer keeps the input and ends.
inline void require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "finding: not so: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

inline void require_refusal_of_input(const Error& error) {
  require(error.failure() == Failure::kBadInput, "a parser refuses with kBadInput");
  require(!error.kind().empty() && !error.message().empty(), "a refusal has a kind and a message");
  require(!error.place().file.empty(), "a refusal names the file");
  const auto& bytes = error.place().bytes;
  require(!bytes || bytes->begin <= bytes->end, "a byte range does not end before it begins");
  require(std::string_view(error.what()).size() < 1'000'000, "a message has a bound");
}

/// What `parse` gives, or nothing if it refuses the input. Other exceptions go on: findings.
template <typename Parse>
[[nodiscard]] auto accepted(Parse parse) -> std::optional<std::invoke_result_t<Parse>> {
  try {
    return parse();
  } catch (const Error& error) {
    require_refusal_of_input(error);
    return std::nullopt;
  }
}

[[nodiscard]] inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace contourfuse::fuzz
