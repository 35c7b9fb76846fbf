// Copies a folder as fuse writes one, without fusing: what fuse is measured against.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "contourfuse/io/file.hpp"

namespace {

namespace fs = std::filesystem;
using contourfuse::File;

// Of the fuser: bytes of a transfer, and bytes after which writeback starts.
constexpr std::uint64_t kTransferBytes = std::uint64_t{512} << 10;
constexpr std::uint64_t kWritebackBytes = std::uint64_t{64} << 20;

struct CopiedFile {
  File source{};
  File target{};
  std::uint64_t bytes = 0;
};

struct Range {
  std::size_t file = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Hands out ranges, file by file. Thread-safe.
class Ranges {
 public:
  explicit Ranges(const std::vector<CopiedFile>& files) : files_(files) {}

  std::optional<Range> next() {
    const std::lock_guard lock(mutex_);
    while (file_ < files_.size() && at_ == files_[file_].bytes) {
      ++file_;
      at_ = 0;
    }
    if (file_ == files_.size()) return std::nullopt;
    const std::uint64_t begin = at_;
    at_ += std::min(kTransferBytes, files_[file_].bytes - at_);
    return Range{file_, begin, at_};
  }

 private:
  const std::vector<CopiedFile>& files_;
  std::mutex mutex_{};
  std::size_t file_ = 0;
  std::uint64_t at_ = 0;
};

class Copy {
 public:
  Copy(const fs::path& source, fs::path target, bool durable)
      : target_(std::move(target)), durable_(durable) {
    fs::create_directory(target_);
    for (const fs::directory_entry& entry : fs::directory_iterator(source)) {
      if (!entry.is_regular_file()) continue;
      CopiedFile file{File::open(entry.path()), File::create(target_ / entry.path().filename())};
      file.bytes = file.source.size();
      file.target.allocate(file.bytes);
      files_.push_back(std::move(file));
    }
  }

  void run(unsigned threads) {
    Ranges ranges(files_);
    {
      std::vector<std::jthread> workers;
      for (unsigned i = 0; i < threads; ++i) workers.emplace_back([&] { work(ranges); });
    }
    if (failure_) std::rethrow_exception(failure_);
    if (!durable_) return;
    for (CopiedFile& file : files_) file.target.sync();
    contourfuse::sync_folder(target_);
    const fs::path parent = target_.parent_path();
    contourfuse::sync_folder(parent.empty() ? "." : parent);
  }

 private:
  void work(Ranges& ranges) {
    try {
      std::vector<std::byte> buffer(kTransferBytes);
      while (const auto range = ranges.next()) {
        CopiedFile& file = files_[range->file];
        const std::span<std::byte> bytes(buffer.data(), range->end - range->begin);
        file.source.read(range->begin, bytes);
        file.target.write(range->begin, bytes);
        if (durable_ && range->end % kWritebackBytes == 0) {
          file.target.start_writeback(range->end - kWritebackBytes, kWritebackBytes);
        }
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }

  fs::path target_;
  bool durable_;
  std::vector<CopiedFile> files_{};
  std::mutex mutex_{};
  std::exception_ptr failure_{};
};

}  // namespace

int main(int argc, char** argv) {
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  unsigned threads = 0;
  if (arguments.size() == 5) {
    const std::string_view number = arguments[3];
    std::from_chars(number.data(), number.data() + number.size(), threads);
  }
  const std::string_view durability = arguments.size() == 5 ? arguments[4] : "";
  if (threads == 0 || (durability != "full" && durability != "none")) {
    std::fputs("usage: copy_checkpoint SOURCE TARGET THREADS full|none\n", stderr);
    return 2;
  }
  try {
    Copy(arguments[1], arguments[2], durability == "full").run(threads);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "copy_checkpoint: %s\n", error.what());
    return 1;
  }
  return 0;
}
