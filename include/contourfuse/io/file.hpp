// A file descriptor with whole reads and writes, and errors that name file and offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace contourfuse {

/// What tells whether a file changed while it was read.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;
  bool operator==(const FileIdentity&) const = default;
};

/// Move-only owner of a descriptor. Errors are Error{kFailed, "io-…"} with file and byte range;
/// an absent, unreadable or non-regular file (FIFO, device, folder) is Error{kBadInput, …}.
class File {
 public:
  /// Opens a regular file for reading; never blocks on a FIFO.
  static File open(const std::filesystem::path& path);
  /// Creates a new file for writing and reading; refuses an existing one.
  static File create(const std::filesystem::path& path);
  /// Opens an existing regular file for reading and writing.
  static File open_to_change(const std::filesystem::path& path);
  enum class Access : std::uint8_t { kRead, kWrite };
  /// Another descriptor of this file that goes past the page cache, for transfers of whole blocks
  /// (page_buffer.hpp); nothing where the filesystem refuses that.
  [[nodiscard]] std::optional<File> open_direct(Access access) const;

  File() = default;
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::uint64_t size() const;
  [[nodiscard]] FileIdentity identity() const;

  /// Fills `out` from `offset`; an early end of file is an error.
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  /// One transfer, which may come short (0: the file's end). Nothing if the descriptor does not
  /// take such offsets, sizes or memory, as one of open_direct() may not.
  [[nodiscard]] std::optional<std::size_t> read_some(std::uint64_t offset,
                                                     std::span<std::byte> out) const;
  [[nodiscard]] std::optional<std::size_t> write_some(std::uint64_t offset,
                                                      std::span<const std::byte> bytes);
  /// Reserves `bytes` from 0 on; a filesystem that cannot is no error, a full one is.
  void allocate(std::uint64_t bytes);
  /// Cuts the file off, or extends it by zeros.
  void resize(std::uint64_t bytes);
  /// Starts writing dirty pages of the range out, without waiting.
  void start_writeback(std::uint64_t offset, std::uint64_t bytes) noexcept;
  /// fsync.
  void sync();
  /// Takes the file for this object alone until it goes (flock); false if another has it. A
  /// filesystem without locks gives them to everyone.
  [[nodiscard]] bool try_lock() const;

 private:
  File(int descriptor, std::filesystem::path path) noexcept;
  static File open_regular(const std::filesystem::path& path, int access);
  int descriptor_ = -1;
  std::filesystem::path path_{};
};

/// fsync of a folder, so that the names in it are durable.
void sync_folder(const std::filesystem::path& folder);

/// Removes a file.
void remove_file(const std::filesystem::path& path);

/// The whole of a regular file of at most `max_bytes`.
[[nodiscard]] std::string read_text(const std::filesystem::path& path, std::uint64_t max_bytes);

/// Takes the next piece of a text.
using TextSink = std::function<void(std::string_view)>;
/// Writes what `produce` hands to its sink as a file, whole or not at all, replacing one of that
/// name; if `durable`, syncs it and its folder.
void write_pieces(const std::filesystem::path& path,
                  const std::function<void(const TextSink&)>& produce, bool durable);
/// Writes a small file, whole or not at all, replacing one of that name; if `durable`, syncs it and
/// its folder.
void write_text(const std::filesystem::path& path, std::string_view text, bool durable);

}  // namespace contourfuse
