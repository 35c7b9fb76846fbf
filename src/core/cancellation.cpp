// Cancellation as an error.
#include "contourfuse/core/cancellation.hpp"

#include "contourfuse/core/error.hpp"

namespace contourfuse {

void Cancellation::check() const {
  if (requested()) throw Error(Failure::kFailed, "interrupted", "interrupted");
}

}  // namespace contourfuse
