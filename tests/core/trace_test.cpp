// The trace of stages, as a timeline reads it.
#include "contourfuse/core/trace.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace contourfuse {
namespace {

using testing::HasSubstr;

TEST(Trace, WritesAStageWithItsTimesAndBytes) {
  Trace trace;
  const auto begin = Trace::Clock::now();
  trace.add("read", begin, begin + std::chrono::microseconds(1500), 4096);
  const std::string json = trace.json();
  EXPECT_THAT(json, HasSubstr("\"ph\":\"X\",\"name\":\"read\""));
  EXPECT_THAT(json, HasSubstr("\"dur\":1500.000"));
  EXPECT_THAT(json, HasSubstr("\"bytes\":4096"));
}

TEST(Trace, GivesEachThreadItsRow) {
  Trace trace;
  { const TracedStage stage(&trace, "here", 1); }
  std::thread([&trace] { const TracedStage stage(&trace, "there", 2); }).join();
  const std::string json = trace.json();
  EXPECT_THAT(json, HasSubstr("\"name\":\"here\",\"pid\":1,\"tid\":0"));
  EXPECT_THAT(json, HasSubstr("\"name\":\"there\",\"pid\":1,\"tid\":1"));
  EXPECT_THAT(json, HasSubstr("\"worker 1\""));
}

TEST(Trace, AStageWithoutATraceIsNothing) {
  const TracedStage stage(nullptr, "alone", 0);
  EXPECT_EQ(Trace().json(), "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n]}\n");
}

}  // namespace
}  // namespace contourfuse
