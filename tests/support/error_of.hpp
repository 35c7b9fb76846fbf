// The error that a call ends with.
#pragma once

#include "contourfuse/core/error.hpp"

namespace contourfuse::test {

/// Kind "none" if it ends well.
template <class Call>
[[nodiscard]] Error error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return Error(Failure::kFailed, "none", "no error");
}

}  // namespace contourfuse::test
