// Turns at a rate.
#include "contourfuse/core/rate_limit.hpp"

#include <algorithm>
#include <cmath>
#include <thread>
#include <utility>

namespace contourfuse {
RateLimit::RateLimit(std::uint64_t bytes_per_second)
    : RateLimit(
          bytes_per_second,
          [] {
            return std::chrono::duration_cast<Time>(
                std::chrono::steady_clock::now().time_since_epoch());
          },
          [](Time time) { std::this_thread::sleep_for(time); }) {}

RateLimit::RateLimit(std::uint64_t bytes_per_second, std::function<Time()> now,
                     std::function<void(Time)> sleep)
    : ns_per_byte_(1e9 / static_cast<double>(std::max<std::uint64_t>(bytes_per_second, 1))),
      now_(std::move(now)),
      sleep_(std::move(sleep)) {}

RateLimit::Time RateLimit::turn(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const Time begin = std::max(next_, now_() - kCredit);
  // At most half of what is left of time: centuries, and no overflow.
  const double longest =
      (static_cast<double>(Time::max().count()) - static_cast<double>(begin.count())) / 2;
  const double takes = std::min(static_cast<double>(bytes) * ns_per_byte_, longest);
  next_ = begin + Time(std::llround(takes));
  return begin;
}

void RateLimit::wait(std::uint64_t bytes, const Cancellation* cancellation) {
  const Time begin = turn(bytes);
  for (Time left = begin - now_(); left > Time::zero(); left = begin - now_()) {
    if (cancellation != nullptr) cancellation->check();
    sleep_(std::min(left, kStep));
  }
}

}  // namespace contourfuse
