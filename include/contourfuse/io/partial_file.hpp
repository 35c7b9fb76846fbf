// A new file that has its name only once it is whole and durable.
#pragma once

#include <filesystem>

#include "contourfuse/io/file.hpp"

namespace contourfuse {

/// `FILE.partial-<id>`, which becomes FILE in one step; if publish() never comes, the destructor
/// removes it. It is locked while it is written, so that what a killed run left can be told apart.
class PartialFile {
 public:
  /// Refuses (Error{kBadInput, "file-exists"}) a name that is taken. First removes what killed runs
  /// left for the same name: it may be large.
  explicit PartialFile(std::filesystem::path target);
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile();

  [[nodiscard]] File& file() noexcept { return file_; }
  /// Syncs the file, gives it its name, syncs the folder. Throws as the constructor does if the
  /// name was taken meanwhile.
  void publish();

 private:
  std::filesystem::path target_;
  std::filesystem::path partial_{};
  File file_{};
  bool published_ = false;
};

/// Removes every `FILE.partial-<id>` beside FILE that no run holds.
void remove_stray_partials(const std::filesystem::path& file);

}  // namespace contourfuse
