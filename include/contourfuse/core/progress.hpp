// Progress of long work, as seen by whoever does it.
#pragma once

#include <cstdint>
#include <string_view>

namespace contourfuse {

/// Receives progress; every member may be called from any thread. The base class ignores it.
class Progress {
 public:
  Progress() = default;
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  virtual ~Progress() = default;

  /// A stage begins that will handle `total_bytes`.
  virtual void begin(std::string_view stage, std::uint64_t total_bytes);
  virtual void advance(std::uint64_t bytes);
  virtual void end();
};

}  // namespace contourfuse
