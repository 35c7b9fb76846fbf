// In which order blocks and CUDA threads take their turns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace contourfuse::host_cuda {

enum class Order {
  kForward,   ///< by rising index
  kReverse,   ///< by falling index
  kShuffled,  ///< every turn drawn from those that can go on
};

struct LaunchOptions {
  Order order = Order::kShuffled;
  std::uint32_t seed = 1;  ///< of the shuffled order
  /// In a ThreadSanitizer build: judge races between CUDA threads. Such a grid has at most
  /// kMostRaceCheckedThreads threads. Otherwise they count as the host thread that launches.
  bool check_races = true;
};

/// ThreadSanitizer's own bound is about 8000 threads in the process.
inline constexpr std::uint32_t kMostRaceCheckedThreads = 2048;

/// "order shuffled, seed 3": what a failing test prints.
[[nodiscard]] std::string describe(const LaunchOptions& options);

/// Forward, reverse, and `shuffles` shuffled ones, seeds from 1: what a kernel's test goes through.
[[nodiscard]] std::vector<LaunchOptions> every_order(std::uint32_t shuffles = 4);

/// Turns of one launch: those who wait for one, and who is next.
class Turns {
 public:
  explicit Turns(const LaunchOptions& options) : options_(options), random_(options.seed) {}

  /// [first, first + count) wait for a turn, after those who already do.
  void append(std::uint32_t first, std::uint32_t count);
  [[nodiscard]] std::optional<std::uint32_t> next();
  void clear();

 private:
  LaunchOptions options_;
  std::mt19937 random_;
  std::vector<std::uint32_t> waiting_{};
  std::size_t head_ = 0;
};

}  // namespace contourfuse::host_cuda
