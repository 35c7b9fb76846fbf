// Threads, progress and cancellation, present or absent.
#include "contourfuse/core/execution.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <string>
#include <thread>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

class Recorder final : public Progress {
 public:
  void begin(std::string_view stage, std::uint64_t total_bytes) override {
    log += "begin " + std::string(stage) + " " + std::to_string(total_bytes) + ";";
  }
  void advance(std::uint64_t bytes) override { log += "advance " + std::to_string(bytes) + ";"; }
  void end() override { log += "end;"; }
  std::string log{};
};

TEST(Execution, ForwardsToItsReceivers) {
  Recorder recorder;
  Cancellation cancellation;
  const Execution execution{.threads = 3, .progress = &recorder, .cancellation = &cancellation};
  execution.begin("fuse", 10);
  execution.advance(4);
  execution.end();
  EXPECT_EQ(recorder.log, "begin fuse 10;advance 4;end;");
  EXPECT_EQ(execution.thread_count(), 3);
  EXPECT_NO_THROW(execution.check_cancelled());
  cancellation.request();
  try {
    execution.check_cancelled();
    ADD_FAILURE() << "not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), "interrupted");
    EXPECT_EQ(error.failure(), Failure::kFailed);
  }
}

TEST(Execution, DoesWithoutReceivers) {
  const Execution execution;
  execution.begin("fuse", 10);
  execution.advance(4);
  execution.end();
  EXPECT_NO_THROW(execution.check_cancelled());
  Progress silent;
  const Execution ignored{.progress = &silent};
  EXPECT_NO_THROW(ignored.begin("fuse", 10));
}

TEST(Execution, CountsTheProcessorsThatThisThreadMayUse) {
  std::thread([] {
    cpu_set_t before;
    ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
    EXPECT_EQ(Execution{}.thread_count(), CPU_COUNT(&before));
    cpu_set_t one;
    CPU_ZERO(&one);
    for (std::size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i) {
      if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
    }
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    EXPECT_EQ(Execution{}.thread_count(), 1);
  }).join();
}

}  // namespace
}  // namespace contourfuse
