// Names from the kernel's random numbers.
#include "unique_suffix.hpp"

#include <fmt/format.h>

#include <random>

namespace contourfuse {

std::string unique_suffix() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

}  // namespace contourfuse
