// Stepping in for a device is right only while nothing depends on it yet.
#include "automatic_backend.hpp"

#include <atomic>
#include <utility>

#include "contourfuse/backend/cpu/cpu_backend.hpp"
#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

/// Passes progress on, and knows whether there was any.
class WatchedProgress final : public Progress {
 public:
  explicit WatchedProgress(Progress* to) : to_(to) {}
  void begin(std::string_view stage, std::uint64_t total_bytes) override {
    if (to_ != nullptr) to_->begin(stage, total_bytes);
  }
  void advance(std::uint64_t bytes) override {
    has_begun_ = true;
    if (to_ != nullptr) to_->advance(bytes);
  }
  void end() override {
    if (to_ != nullptr) to_->end();
  }
  [[nodiscard]] bool has_begun() const { return has_begun_; }

 private:
  Progress* to_;
  std::atomic<bool> has_begun_ = false;
};

class AutomaticBackend final : public Backend {
 public:
  AutomaticBackend(std::unique_ptr<Backend> preferred, std::function<void(const std::string&)> tell)
      : backend_(std::move(preferred)), tell_(std::move(tell)) {}

  [[nodiscard]] std::string_view name() const noexcept override { return backend_->name(); }

  FuseResults run(const FuseJob& job, const Execution& execution) override {
    WatchedProgress progress(execution.progress);
    Execution watched = execution;
    watched.progress = &progress;
    try {
      return backend_->run(job, watched);
    } catch (const Error& error) {
      if (progress.has_begun() || !error.kind().starts_with("device-")) throw;
      tell_(error.message());
    }
    backend_ = make_cpu_backend();
    return backend_->run(job, execution);
  }

 private:
  std::unique_ptr<Backend> backend_;
  std::function<void(const std::string&)> tell_;
};

}  // namespace

std::unique_ptr<Backend> make_automatic_backend(std::unique_ptr<Backend> preferred,
                                                std::function<void(const std::string&)> tell) {
  return std::make_unique<AutomaticBackend>(std::move(preferred), std::move(tell));
}

}  // namespace contourfuse
