// The kind of Error that a call throws, and its line.
#pragma once

#include <string>

#include "contourfuse/core/error.hpp"

namespace contourfuse::host_cuda {

struct CaughtError {
  std::string kind{};
  std::string what{};
};

/// Empty if `call` throws nothing.
template <class Call>
[[nodiscard]] CaughtError caught(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  return {};
}

}  // namespace contourfuse::host_cuda
