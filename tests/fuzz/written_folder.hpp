// A folder of the process, for what can only be written to files.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace contourfuse::fuzz {

/// Removed with all that is in it when the process ends.
class WrittenFolder {
 public:
  WrittenFolder()
      : path_(std::filesystem::temp_directory_path() /
              ("contourfuse-fuzz-" + std::to_string(::getpid()))) {
    std::filesystem::create_directory(path_);
  }
  WrittenFolder(const WrittenFolder&) = delete;
  WrittenFolder& operator=(const WrittenFolder&) = delete;
  ~WrittenFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace contourfuse::fuzz
