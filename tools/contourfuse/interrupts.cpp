// The handler touches one lock-free atomic and calls async-signal-safe functions only.
#include "interrupts.hpp"

#include <csignal>

namespace contourfuse {
namespace {

Cancellation interrupted;

void handle(int signal) {
  if (interrupted.requested()) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return;
  }
  interrupted.request();
}

}  // namespace

const Cancellation& cancel_on_signals() {
  struct sigaction action = {};
  action.sa_handler = handle;  // NOLINT(cppcoreguidelines-pro-type-union-access): POSIX's own shape
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGUSR1, &action, nullptr);  // what a scheduler sends before the time is up
  struct sigaction hangup = {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) {  // NOLINT(cppcoreguidelines-pro-type-union-access)
    sigaction(SIGHUP, &action, nullptr);
  }
  return interrupted;
}

}  // namespace contourfuse
