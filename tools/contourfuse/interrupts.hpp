// Signals that end a run in order.
#pragma once

#include "contourfuse/core/cancellation.hpp"

namespace contourfuse {

/// From now on SIGINT, SIGTERM and SIGHUP (unless the caller ignores it, as nohup does) request
/// the returned cancellation; a second one ends the process as if it were not handled.
[[nodiscard]] const Cancellation& cancel_on_signals();

}  // namespace contourfuse
