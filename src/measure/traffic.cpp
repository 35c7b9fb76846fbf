// Bytes moved by the means of the fuser with nothing computed.
#include "contourfuse/measure/traffic.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "contourfuse/fusion/matrix_job.hpp"
#include "contourfuse/io/bulk_writer.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/io/page_buffer.hpp"
#include "moves.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Files that moves refer to: open for as long as it lives.
class OpenFiles {
 public:
  explicit OpenFiles(const TrafficSettings& settings) : settings_(settings) {}

  const BulkReader& source(const fs::path& path) {
    files_.push_back(File::open(path));
    return source(files_.back(), files_.back().size());
  }
  const BulkReader& source(const File& file, std::uint64_t bytes) {
    return *readers_.emplace_back(std::make_unique<BulkReader>(file, bytes, settings_.read_method));
  }
  /// A new file of that size; `source` is any file that outlives this.
  MoveTarget target(const File& source, const fs::path& path, std::uint64_t bytes) {
    fs::create_directories(path.parent_path());
    folders_.push_back(path.parent_path());
    files_.push_back(File::create(path));
    files_.back().allocate(bytes);
    targets_.push_back(&files_.back());
    writers_.push_back(std::make_unique<BulkWriter>(source, files_.back(), bytes,
                                                    CopyMethod::kWrite, settings_.write_direct));
    const bool early = settings_.durable && !writers_.back()->in_place();
    return {writers_.back().get(), early ? &files_.back() : nullptr};
  }

  /// After all moves.
  void finish() {
    for (const auto& writer : writers_) writer->finish();
    if (!settings_.durable) return;
    for (File* target : targets_) target->sync();
    std::sort(folders_.begin(), folders_.end());
    folders_.erase(std::unique(folders_.begin(), folders_.end()), folders_.end());
    for (const fs::path& folder : folders_) sync_folder(folder);
    if (!folders_.empty()) sync_folder(fs::absolute(folders_.front()).parent_path());
  }

 private:
  const TrafficSettings& settings_;
  std::deque<File> files_{};
  std::vector<File*> targets_{};
  std::vector<fs::path> folders_{};
  std::vector<std::unique_ptr<BulkReader>> readers_{};
  std::vector<std::unique_ptr<BulkWriter>> writers_{};
};

/// Moves of one fuse.
class FuseMoves {
 public:
  FuseMoves(const FusePlan& plan, const TrafficSettings& settings)
      : plan_(plan), files_(settings), moves_(settings) {
    for (const PlannedMatrix& matrix : plan.matrices) {
      deltas_.push_back(plan.delta.reader(*plan.base.find_layer(matrix.layer), matrix.role));
    }
  }

  void move_to(const fs::path& to, const Execution& execution) {
    std::size_t next = 0;
    for (std::size_t shard = 0; shard < plan_.base.shards.size(); ++shard) {
      const fs::path& name = plan_.base.shards[shard].file;
      const BulkReader& source = files_.source(plan_.base.folder / name);
      const std::uint64_t bytes = plan_.base.shards[shard].header.file_bytes();
      const MoveTarget target = files_.target(source.file(), to / name, bytes);
      std::uint64_t at = 0;
      for (; next < plan_.matrices.size() && plan_.matrices[next].shard == shard; ++next) {
        const MatrixJob job = matrix_job(plan_.matrices[next], deltas_[next].get());
        moves_.add({&source, target, at}, job.offset - at);
        const std::uint64_t size = job.rows * job.cols * editable_bytes(job.dtype);
        if (needs_moments(job, scf_numbers(plan_.settings.parameters))) {
          add_delta(job);
          moves_.add({&source, {}, job.offset}, size);
        }
        add_delta(job);
        moves_.add({&source, target, job.offset}, size);
        at = job.offset + size;
      }
      moves_.add({&source, target, at}, bytes - at);
    }
    moves_.run(execution);
    files_.finish();
  }

 private:
  void add_delta(const MatrixJob& job) {
    const auto place = job.delta->place();
    if (!place) return;
    const std::uint64_t bytes = job.covered() * editable_bytes(job.delta_dtype);
    const BulkReader& source = files_.source(*place->file, place->offset + bytes);
    moves_.add({&source, {}, place->offset}, bytes);
  }

  const FusePlan& plan_;
  std::vector<std::unique_ptr<DeltaReader>> deltas_{};
  OpenFiles files_;
  Moves moves_;
};

}  // namespace

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t bytes = 0;
  for (const fs::path& path : files_in(folder)) bytes += fs::file_size(path);
  return bytes;
}

void copy_folder(const fs::path& from, const fs::path& to, const TrafficSettings& settings,
                 const Execution& execution) {
  OpenFiles files(settings);
  Moves moves(settings);
  for (const fs::path& path : files_in(from)) {
    const BulkReader& source = files.source(path);
    const std::uint64_t bytes = source.file().size();
    const MoveTarget target = files.target(source.file(), to / fs::relative(path, from), bytes);
    moves.add({&source, target, 0}, bytes);
  }
  moves.run(execution);
  files.finish();
}

void read_folders(const std::vector<fs::path>& folders, const TrafficSettings& settings,
                  const Execution& execution) {
  OpenFiles files(settings);
  Moves moves(settings);
  for (const fs::path& folder : folders) {
    for (const fs::path& path : files_in(folder)) {
      const BulkReader& source = files.source(path);
      moves.add({&source, {}, 0}, source.file().size());
    }
  }
  moves.run(execution);
}

void write_folder(const fs::path& like, const fs::path& to, const TrafficSettings& settings,
                  const Execution& execution) {
  OpenFiles files(settings);
  Moves moves(settings);
  for (const fs::path& path : files_in(like)) {
    const BulkReader& source = files.source(path);
    const std::uint64_t bytes = source.file().size();
    const MoveTarget target = files.target(source.file(), to / fs::relative(path, like), bytes);
    moves.add({nullptr, target, 0}, bytes);
  }
  moves.run(execution);
  files.finish();
}

void move_as_fuse(const FusePlan& plan, const fs::path& to, const TrafficSettings& settings,
                  const Execution& execution) {
  FuseMoves(plan, settings).move_to(to, execution);
}

std::uint64_t bytes_moved_as_fuse(const FusePlan& plan) {
  const PlannedBytes bytes = planned_bytes(plan);
  return bytes.read + bytes.written;
}

}  // namespace contourfuse
