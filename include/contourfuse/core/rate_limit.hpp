// A limit of bytes per second for storage that others share.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>

#include "contourfuse/core/cancellation.hpp"

namespace contourfuse {

/// Whoever moves bytes waits here for its turn. Turns follow one another at the rate, whoever is
/// late; time that nobody used is made up for by at most kCredit. Thread-safe.
class RateLimit {
 public:
  using Time = std::chrono::nanoseconds;  ///< since any fixed moment
  static constexpr Time kCredit = std::chrono::milliseconds(100);
  /// Longest wait between two looks at the cancellation.
  static constexpr Time kStep = std::chrono::milliseconds(100);

  /// `bytes_per_second` above 0.
  explicit RateLimit(std::uint64_t bytes_per_second);
  RateLimit(std::uint64_t bytes_per_second, std::function<Time()> now,
            std::function<void(Time)> sleep);

  /// Waits until `bytes` may move. Throws when cancelled.
  void wait(std::uint64_t bytes, const Cancellation* cancellation);

 private:
  [[nodiscard]] Time turn(std::uint64_t bytes);

  double ns_per_byte_;
  std::function<Time()> now_;
  std::function<void(Time)> sleep_;
  std::mutex mutex_{};
  Time next_ = Time::min();
};

}  // namespace contourfuse
