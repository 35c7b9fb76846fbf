// The one error type: what failed, where, and what to do.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

namespace contourfuse {

/// Why a run ends; the value is the program's exit code.
enum class Failure : int {
  kFailed = 1,       ///< the work failed: I/O, verify mismatch, interrupted
  kUsage = 2,        ///< wrong flags
  kBadInput = 3,     ///< a file, folder or value that cannot be used
  kIncomplete = 75,  ///< not complete yet, try again later
};

/// Bytes [begin, end) of a file.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Where it happened; empty members are unknown.
struct Place {
  std::string file{};
  std::string tensor{};
  std::optional<ByteRange> bytes{};
};

/// `kind` is a stable kebab-case word that names the broken rule ("header-past-end");
/// `what()` is one line: file, tensor, byte range, message.
class Error : public std::runtime_error {
 public:
  Error(Failure failure, std::string kind, std::string message, Place place = {},
        std::string hint = {});

  [[nodiscard]] Failure failure() const noexcept { return failure_; }
  [[nodiscard]] const std::string& kind() const noexcept { return kind_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  [[nodiscard]] const Place& place() const noexcept { return place_; }
  [[nodiscard]] const std::string& hint() const noexcept { return hint_; }

 private:
  Failure failure_;
  std::string kind_;
  std::string message_;
  Place place_;
  std::string hint_;
};

}  // namespace contourfuse
