// The progress receiver that ignores everything.
#include "contourfuse/core/progress.hpp"

namespace contourfuse {

void Progress::begin(std::string_view /*stage*/, std::uint64_t /*total_bytes*/) {}
void Progress::advance(std::uint64_t /*bytes*/) {}
void Progress::end() {}

}  // namespace contourfuse
