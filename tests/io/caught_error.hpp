// The error that a call throws.
#pragma once

#include <gtest/gtest.h>

#include "contourfuse/core/error.hpp"

namespace contourfuse {

/// Calls, and returns what it threw; a call that throws no Error fails the test and gives an Error
/// of kind "none".
template <typename Call>
[[nodiscard]] Error caught_error(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no Error was thrown";
  return Error(Failure::kFailed, "none", "");
}

}  // namespace contourfuse
