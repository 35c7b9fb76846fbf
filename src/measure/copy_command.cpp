// The copy that anyone would make.
#include "contourfuse/measure/copy_command.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>

#include "contourfuse/core/error.hpp"

namespace contourfuse {

void copy_by_command(const std::filesystem::path& from, const std::filesystem::path& to,
                     bool durable) {
  std::array<std::string, 5> words = {"cp", "-r", "--", from.string(), to.string()};
  std::array<char*, words.size() + 1> arguments{};
  for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
  const auto fail = [&to](const std::string& message) {
    throw Error(Failure::kFailed, "command-failed", "cp: " + message, {.file = to.string()});
  };
  pid_t process = 0;
  const int error =
      ::posix_spawnp(&process, words[0].c_str(), nullptr, nullptr, arguments.data(), environ);
  if (error != 0) fail(std::generic_category().message(error));
  int status = 0;
  while (::waitpid(process, &status, 0) < 0) {
    if (errno != EINTR) fail(std::generic_category().message(errno));
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail("did not end well");
  if (durable) ::sync();
}

}  // namespace contourfuse
