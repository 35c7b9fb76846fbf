// The device that the tests here run on, or a skip that says why there is none.
#pragma once

#include <gtest/gtest.h>

#include "contourfuse/backend/cuda/loader.hpp"

namespace contourfuse::test {

class UsableGpu : public testing::Test {
 protected:
  void SetUp() override {
    const CudaSearch found = find_cuda_devices();
    if (!found.unusable.empty()) GTEST_SKIP() << found.unusable;
    for (const CudaDeviceFacts& facts : found.devices) {
      if (facts.unusable.empty()) ordinals_.push_back(facts.ordinal);
    }
    ASSERT_FALSE(ordinals_.empty());
  }

  /// All that can be used.
  [[nodiscard]] const std::vector<int>& ordinals() const { return ordinals_; }

 private:
  std::vector<int> ordinals_{};
};

}  // namespace contourfuse::test
