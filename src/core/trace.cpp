// Who did what when: stages of work by thread, as a profiler's timeline.
#include "contourfuse/core/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace contourfuse {
namespace {

double microseconds(Trace::Clock::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

}  // namespace

void Trace::add(const char* name, Clock::time_point begin, Clock::time_point end,
                std::uint64_t bytes) {
  const std::thread::id thread = std::this_thread::get_id();
  const std::lock_guard lock(mutex_);
  auto row = std::find(rows_.begin(), rows_.end(), thread);
  if (row == rows_.end()) row = rows_.insert(rows_.end(), thread);
  stages_.push_back({name, static_cast<std::size_t>(row - rows_.begin()), begin, end, bytes});
}

std::string Trace::json() const {
  const std::lock_guard lock(mutex_);
  fmt::memory_buffer text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "{{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
  const char* separator = "\n";
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    fmt::format_to(out,
                   "{}{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":{},"
                   "\"args\":{{\"name\":\"worker {}\"}}}}",
                   separator, row, row);
    separator = ",\n";
  }
  for (const Stage& stage : stages_) {
    fmt::format_to(out,
                   "{}{{\"ph\":\"X\",\"name\":\"{}\",\"pid\":1,\"tid\":{},\"ts\":{:.3f},"
                   "\"dur\":{:.3f},\"args\":{{\"bytes\":{}}}}}",
                   separator, stage.name, stage.row, microseconds(stage.begin - start_),
                   microseconds(stage.end - stage.begin), stage.bytes);
    separator = ",\n";
  }
  fmt::format_to(out, "\n]}}\n");
  return fmt::to_string(text);
}

}  // namespace contourfuse
