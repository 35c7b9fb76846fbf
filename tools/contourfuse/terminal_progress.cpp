// Drawing is left to whichever thread comes first after the interval; the others only count.
#include "terminal_progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "contourfuse/report/table.hpp"

namespace contourfuse {
namespace {

constexpr std::chrono::milliseconds kInterval{100};
/// Before this much of a stage has passed, its rate says nothing about the time left.
constexpr double kSettleSeconds = 0.5;

}  // namespace

TerminalProgress::~TerminalProgress() { clear(); }

void TerminalProgress::begin(std::string_view stage, std::uint64_t total_bytes) {
  const std::lock_guard lock(mutex_);
  stage_ = stage;
  total_ = total_bytes;
  started_ = Clock::now();
  done_.store(0, std::memory_order_relaxed);
  next_draw_.store((started_ + kInterval).time_since_epoch().count(), std::memory_order_relaxed);
}

void TerminalProgress::advance(std::uint64_t bytes) {
  done_.fetch_add(bytes, std::memory_order_relaxed);
  const auto now = Clock::now();
  if (now.time_since_epoch().count() < next_draw_.load(std::memory_order_relaxed)) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock) draw(now);
}

void TerminalProgress::end() {
  const std::lock_guard lock(mutex_);
  clear();
}

void TerminalProgress::draw(Clock::time_point now) {
  next_draw_.store((now + kInterval).time_since_epoch().count(), std::memory_order_relaxed);
  const std::uint64_t done = std::min(done_.load(std::memory_order_relaxed), total_);
  const double seconds = std::chrono::duration<double>(now - started_).count();
  const double rate = static_cast<double>(done) / std::max(seconds, 1e-3);
  const double share = total_ == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total_);

  std::string line = fmt::format("\r\x1b[K{} {:3.0f} %  {} of {}  {}", stage_, share * 100,
                                 format_bytes(done), format_bytes(total_), format_rate(rate));
  if (seconds > kSettleSeconds && done > 0) {
    const double left = static_cast<double>(total_ - done) / rate;
    line += fmt::format("  {} left", format_duration(left));
  }
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

void TerminalProgress::clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

bool stderr_is_terminal() {
  if (isatty(STDERR_FILENO) != 1) return false;
  const char* terminal = std::getenv("TERM");
  return terminal != nullptr && std::string_view(terminal) != "dumb";
}

}  // namespace contourfuse
