// Orders of turns: first come, first served, or drawn by a seed.
#include "host_cuda/schedule.hpp"

#include <fmt/format.h>

#include <utility>

namespace contourfuse::host_cuda {

std::string describe(const LaunchOptions& options) {
  switch (options.order) {
    case Order::kForward:
      return "order forward";
    case Order::kReverse:
      return "order reverse";
    case Order::kShuffled:
      break;
  }
  return fmt::format("order shuffled, seed {}", options.seed);
}

std::vector<LaunchOptions> every_order(std::uint32_t shuffles) {
  std::vector<LaunchOptions> orders{{.order = Order::kForward}, {.order = Order::kReverse}};
  for (std::uint32_t seed = 1; seed <= shuffles; ++seed) {
    orders.push_back({.order = Order::kShuffled, .seed = seed});
  }
  return orders;
}

void Turns::append(std::uint32_t first, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    waiting_.push_back(first + (options_.order == Order::kReverse ? count - 1 - i : i));
  }
}

std::optional<std::uint32_t> Turns::next() {
  if (head_ == waiting_.size()) return std::nullopt;
  if (options_.order == Order::kShuffled) {
    // A 32-bit number scaled to those who wait, which are fewer than 2^32.
    const std::size_t drawn = (waiting_.size() - head_) * random_() >> 32;
    std::swap(waiting_[head_], waiting_[head_ + drawn]);
  }
  const std::uint32_t turn = waiting_[head_++];
  if (head_ == waiting_.size()) clear();
  return turn;
}

void Turns::clear() {
  waiting_.clear();
  head_ = 0;
}

}  // namespace contourfuse::host_cuda
