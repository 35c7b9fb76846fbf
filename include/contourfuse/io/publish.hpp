// All-or-nothing output folders.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace contourfuse {

class FolderLock;

enum class Durability { kFull, kNone };

/// Refuses (Error{kBadInput}) an output that exists unless `overwrite` and a folder
/// ("output-exists", "output-not-a-folder"), and a missing or unwritable parent
/// ("output-parent-missing", "output-not-writable"). Changes nothing: for dry runs.
void refuse_unusable_output(const std::filesystem::path& output, bool overwrite);

/// A folder `OUTPUT.partial-<id>` beside OUTPUT that becomes OUTPUT in one step. Until publish()
/// nothing named OUTPUT is touched; if it never comes, the destructor removes the partial, unless
/// it is to be kept. It is locked as long as this object lives, against adopt().
class PartialFolder {
 public:
  /// Refuses what refuse_unusable_output refuses.
  PartialFolder(const std::filesystem::path& target, bool overwrite, Durability durability);
  /// Those that ended runs left for this target, to be kept for the present. Throws
  /// Error{kFailed, "output-in-progress"} if a run that has not ended holds one.
  [[nodiscard]] static std::vector<PartialFolder> adopt(const std::filesystem::path& target,
                                                        bool overwrite, Durability durability);
  PartialFolder(PartialFolder&&) noexcept;
  PartialFolder& operator=(PartialFolder&&) = delete;
  PartialFolder(const PartialFolder&) = delete;
  PartialFolder& operator=(const PartialFolder&) = delete;
  ~PartialFolder();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return partial_; }
  [[nodiscard]] Durability durability() const noexcept { return durability_; }

  /// Whether an unpublished partial outlives this object.
  void keep(bool kept) noexcept { kept_ = kept; }

  /// Syncs every folder inside the partial (files are synced by who wrote them).
  void sync_folders() const;
  /// Syncs the folders, exchanges the partial with the target or renames it to it, and syncs the
  /// parent; an overwritten target is removed last. Throws Error{kBadInput, "output-exists"} if
  /// another run published first.
  void publish();

 private:
  struct Adopted {};
  PartialFolder(Adopted, const std::filesystem::path& target, bool overwrite,
                Durability durability);

  std::filesystem::path target_;
  std::filesystem::path partial_{};
  std::unique_ptr<FolderLock> lock_{};
  bool overwrite_;
  Durability durability_;
  bool kept_ = false;
};

/// What unfinished runs left for this output takes on disk.
[[nodiscard]] std::uint64_t bytes_in_partials(const std::filesystem::path& target);

struct NewFile {
  std::filesystem::path path{};
  std::string text{};
};
/// Publishes files of one folder, each whole and durable, but for those whose names are there
/// already: these are left as they are, and the answer is false. The disk is waited for once for
/// all contents and once for all names.
[[nodiscard]] std::vector<bool> publish_new_files(const std::filesystem::path& folder,
                                                  const std::vector<NewFile>& files);

/// Refuses (Error{kBadInput, "output-overlaps-input"}) an output equal to, inside of, or containing
/// `input`, links resolved.
void refuse_overlap(const std::filesystem::path& output, const std::filesystem::path& input);

}  // namespace contourfuse
