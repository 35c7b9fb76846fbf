// errno values as error kinds.
#include "io_error.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace contourfuse {
namespace {

// std::error_code's text comes from strerror_r: safe with threads.
std::string describe(std::string_view attempted, int error) {
  return fmt::format("cannot {}: {}", attempted,
                     std::error_code(error, std::generic_category()).message());
}

}  // namespace

void throw_io_error(int error, std::string_view attempted, Place place) {
  const char* kind = "io-error";
  const char* hint = "";
  switch (error) {
    case ENOSPC:
      kind = "io-no-space";
      hint = "free space on this filesystem, or write to another one";
      break;
    case EDQUOT:
      kind = "io-quota";
      hint = "the disk quota is used up: remove files, or write to another filesystem";
      break;
    case EFBIG:
      kind = "io-too-large";
      hint = "the filesystem or the limit of this process (ulimit -f) allows no file of this size";
      break;
    case EMFILE:
    case ENFILE:
      kind = "io-no-descriptor";
      hint = "raise the limit of open files (ulimit -n)";
      break;
    default:
      break;
  }
  throw Error(Failure::kFailed, kind, describe(attempted, error), std::move(place), hint);
}

void throw_path_error(int error, std::string_view attempted, const std::filesystem::path& path) {
  Place place{.file = path.string()};
  switch (error) {
    case ENOENT:
      throw Error(Failure::kBadInput, "file-missing", "no such file or folder", std::move(place));
    case EEXIST:
      throw Error(Failure::kBadInput, "file-exists", "exists already", std::move(place));
    case EACCES:
    case EPERM:
    case EROFS:
      throw Error(Failure::kBadInput, "file-not-permitted", describe(attempted, error),
                  std::move(place));
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENXIO:  // a socket, or a device that is not there
    case ENODEV:
    case EISDIR:
      throw Error(Failure::kBadInput, "file-not-usable", describe(attempted, error),
                  std::move(place));
    default:
      throw_io_error(error, attempted, std::move(place));
  }
}

}  // namespace contourfuse
