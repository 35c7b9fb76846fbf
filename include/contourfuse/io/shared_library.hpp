// Libraries that are loaded while the program runs.
#pragma once

#include <span>
#include <stdexcept>
#include <string>

namespace contourfuse {

/// Why a library cannot be used, in the system's words, on one line.
class SharedLibraryError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One that was loaded; it stays for good. All that it needs is bound at once, so that what lacks
/// is an error here and not the program's end later.
class SharedLibrary {
 public:
  /// The first of these that can be loaded; a name without a slash is searched for as the system
  /// does. Throws SharedLibraryError with the reason against the first: that a user can mend.
  explicit SharedLibrary(std::span<const std::string> names);

  /// Sets `function` to the symbol of that name. Throws SharedLibraryError.
  template <class Function>
  void find(const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(symbol(name));
  }

 private:
  [[nodiscard]] void* symbol(const char* name) const;

  void* library_ = nullptr;
};

}  // namespace contourfuse
