// dlopen.
#include "contourfuse/io/shared_library.hpp"

#include <dlfcn.h>

#include <algorithm>

namespace contourfuse {
namespace {

std::string last_reason() {
  const char* const said = ::dlerror();
  std::string reason = said == nullptr ? "unknown reason" : said;
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  return reason;
}

}  // namespace

SharedLibrary::SharedLibrary(std::span<const std::string> names) {
  std::string reason = "no name was given";
  for (const std::string& name : names) {
    library_ = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library_ != nullptr) return;
    if (&name == names.data()) reason = last_reason();
  }
  throw SharedLibraryError(reason);
}

void* SharedLibrary::symbol(const char* name) const {
  void* const found = ::dlsym(library_, name);
  if (found == nullptr) throw SharedLibraryError(last_reason());
  return found;
}

}  // namespace contourfuse
