// The errors that failed system calls become.
#pragma once

#include <filesystem>
#include <string_view>

#include "contourfuse/core/error.hpp"

namespace contourfuse {

/// Throws Error{kFailed, "io-no-space" | "io-quota" | "io-too-large" | "io-no-descriptor" |
/// "io-error"} for an errno, saying what was attempted ("write").
[[noreturn]] void throw_io_error(int error, std::string_view attempted, Place place);

/// Throws for an errno of a call that opens or makes `path`: Error{kBadInput} where the path is
/// absent or not permitted, else as throw_io_error.
[[noreturn]] void throw_path_error(int error, std::string_view attempted,
                                   const std::filesystem::path& path);

}  // namespace contourfuse
