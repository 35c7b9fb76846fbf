// Whether there is room for what a run will write, asked before its first byte.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "contourfuse/core/error.hpp"

namespace contourfuse {

/// Bytes of the blocks that a file of so many bytes fills.
[[nodiscard]] std::uint64_t block_bytes(std::uint64_t bytes) noexcept;

/// What a run is about to write.
struct NeededSpace {
  std::string_view what = "the output";
  std::uint64_t bytes = 0;
  std::string hint = "free space on this filesystem, or write to another one";
  Failure failure = Failure::kFailed;
};

/// Throws Error{needed.failure, "io-no-space" | "io-quota"} if the filesystem that `path` lies or
/// will lie on has less for this user, saying how much is needed and how much there is. Where that
/// cannot be told, there is room.
void require_space(const std::filesystem::path& path, const NeededSpace& needed);
/// The same as an answer.
[[nodiscard]] bool has_space(const std::filesystem::path& path, std::uint64_t bytes);

}  // namespace contourfuse
