// Moving original bytes: into an undo file, and from there back into the model.
#include "fusion/put_back.hpp"

#include <fmt/format.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <span>
#include <system_error>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/manifest.hpp"
#include "contourfuse/io/free_space.hpp"
#include "contourfuse/io/hash.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/io/partial_file.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;
/// No storage needs more; their buffers are all the memory there is.
constexpr int kMostWorkers = 16;

using RangeWork = std::function<void(std::size_t range, std::vector<std::byte>& buffer)>;

/// Calls `work` for every range, on several threads.
void for_each_range(const UndoRecord& record, const Execution& execution, const RangeWork& work) {
  const int threads = std::min(execution.thread_count(), kMostWorkers);
  std::atomic<std::size_t> next = 0;
  tbb::task_arena arena(threads);
  arena.execute([&] {
    tbb::parallel_for(
        0, threads, 1,
        [&](int) {
          try {
            std::vector<std::byte> buffer(kPieceBytes);
            for (std::size_t i = next++; i < record.ranges.size(); i = next++) work(i, buffer);
          } catch (...) {
            next = record.ranges.size();
            throw;
          }
        },
        tbb::simple_partitioner());
  });
}

struct BytesOf {
  const File& file;
  std::uint64_t offset = 0;
};

/// Reads `bytes` from `from`, writes them to `to` at `at` unless that is null; their hash.
std::string move_bytes(BytesOf from, std::uint64_t bytes, File* to, std::uint64_t at,
                       std::vector<std::byte>& buffer, const Execution& execution) {
  Hash128 hash;
  for (std::uint64_t done = 0; done < bytes;) {
    execution.check_cancelled();
    const std::span piece(buffer.data(), std::min<std::uint64_t>(bytes - done, buffer.size()));
    execution.pace(to != nullptr ? 2 * piece.size() : piece.size());
    from.file.read(from.offset + done, piece);
    hash.update(piece);
    if (to != nullptr) to->write(at + done, piece);
    done += piece.size();
    execution.advance(piece.size());
  }
  if (to != nullptr) to->start_writeback(at, bytes);
  return hash.hex();
}

[[noreturn]] void refuse_damage(const File& undo, std::string tensor, std::uint64_t begin,
                                std::uint64_t bytes) {
  throw Error(Failure::kFailed, "undo-damaged",
              "the original bytes were changed: their hash does not match",
              {.file = undo.path().string(),
               .tensor = std::move(tensor),
               .bytes = ByteRange{begin, begin + bytes}},
              "take the undo file from a copy of it");
}

std::string side_file_bytes(const File& undo, const UndoSideFile& file) {
  std::string bytes(file.bytes, '\0');
  undo.read(file.place, std::as_writable_bytes(std::span(bytes)));
  Hash128 hash;
  hash.update(bytes);
  if (hash.hex() != file.hash) refuse_damage(undo, file.name, file.place, file.bytes);
  return bytes;
}

[[noreturn]] void refuse_model(const fs::path& shard, std::string message) {
  throw Error(Failure::kBadInput, "not-the-model", std::move(message), {.file = shard.string()},
              "give the folder of the model that the undo file was made for with --model");
}

/// Whether the manifest is neither the one that was there before nor that of this fuse.
bool is_of_a_later_fuse(const fs::path& manifest, const UndoRecord& record) {
  std::error_code failure;
  if (!fs::exists(manifest, failure)) return false;
  const std::string text = read_text(manifest, kMaxJsonBytes);
  Hash128 hash;
  hash.update(text);
  for (const UndoSideFile& file : record.files) {
    if (manifest.filename() == file.name && file.existed && file.hash == hash.hex()) return false;
  }
  try {
    const nlohmann::json document = parse_json(text, manifest.string());
    const auto command = document.find("command");
    return command != document.end() && *command != nlohmann::json(record.command);
  } catch (const Error&) {
    return false;  // whoever wrote that, it was no fuse
  }
}

std::string id_line(const UndoRecord& record) { return "id " + record.id + '\n'; }

/// Whether another fuse has begun to change the model.
bool is_of_an_unfinished_fuse(const fs::path& mark, const UndoRecord& record) {
  std::error_code failure;
  return fs::exists(mark, failure) &&
         read_text(mark, kMaxJsonBytes).find(id_line(record)) == std::string::npos;
}

[[noreturn]] void refuse_later(const char* message, const fs::path& witness) {
  throw Error(Failure::kBadInput, "fused-again", message, {.file = witness.string()},
              "undo the later fuse first, with its undo file");
}

}  // namespace

void mark_unfinished(const fs::path& folder, const fs::path& undo, const UndoRecord& record) {
  write_text(folder / kUnfinishedName,
             fmt::format("A fuse in place of this model was not finished: it is edited in part.\n"
                         "This puts it back:\n  contourfuse undo {}\n{}",
                         fs::absolute(undo).string(), id_line(record)),
             true);
}

void unmark_unfinished(const fs::path& folder, bool durable) {
  remove_file(folder / kUnfinishedName);
  if (durable) sync_folder(folder);
}

void require_undo_space(const fs::path& path, UndoRecord& record, Failure failure) {
  assign_places(record);
  require_space(path, {.what = "the undo file",
                       .bytes = undo_file_bytes(record),
                       .hint = "the undo file may lie on another disk",
                       .failure = failure});
}

void write_undo_file(const fs::path& path, UndoRecord& record, HeldModel& model,
                     const Execution& execution) {
  std::vector<std::string> texts;
  for (UndoSideFile& file : record.files) {
    texts.push_back(file.existed ? read_text(model.folder() / file.name, kMaxJsonBytes) : "");
    file.bytes = texts.back().size();
  }
  remove_stray_partials(path);
  require_undo_space(path, record, Failure::kFailed);
  PartialFile partial(path);
  File& undo = partial.file();
  undo.allocate(undo_file_bytes(record));
  execution.begin("undo file", original_bytes(record));
  for_each_range(record, execution, [&](std::size_t i, std::vector<std::byte>& buffer) {
    UndoRange& range = record.ranges[i];
    range.hash = move_bytes({model[range.shard], range.offset}, range.bytes, &undo, range.place,
                            buffer, execution);
  });
  for (std::size_t i = 0; i < record.files.size(); ++i) {
    UndoSideFile& file = record.files[i];
    if (!file.existed) continue;
    undo.write(file.place, std::as_bytes(std::span(texts[i])));
    Hash128 hash;
    hash.update(texts[i]);
    file.hash = hash.hex();
    execution.advance(file.bytes);
  }
  const std::string head = undo_head(record);
  undo.write(0, std::as_bytes(std::span(head)));
  partial.publish();
  execution.end();
}

void check_model(const HeldModel& model, const UndoRecord& record) {
  // First: a later fuse may have changed what is looked at below.
  const fs::path manifest = model.folder() / kManifestName;
  if (is_of_a_later_fuse(manifest, record)) {
    refuse_later("the model was fused again after this fuse", manifest);
  }
  const fs::path mark = model.folder() / kUnfinishedName;
  if (is_of_an_unfinished_fuse(mark, record)) {
    refuse_later("a later fuse of the model was not finished", mark);
  }
  for (std::size_t i = 0; i < record.shards.size(); ++i) {
    const File shard = File::open(model.folder() / record.shards[i].file);
    const std::uint64_t bytes = shard.size();
    if (bytes != record.shards[i].bytes) {
      refuse_model(shard.path(), fmt::format("the shard has {} bytes, the one that was fused {}",
                                             bytes, record.shards[i].bytes));
    }
    if (outside_hash(shard, record, i) != record.shards[i].outside_hash) {
      refuse_model(shard.path(), "the shard is not the one that was fused");
    }
  }
}

void check_originals(const File& undo, const UndoRecord& record, const Execution& execution) {
  execution.begin("check", original_bytes(record));
  for_each_range(record, execution, [&](std::size_t i, std::vector<std::byte>& buffer) {
    const UndoRange& range = record.ranges[i];
    const std::string hash =
        move_bytes({undo, range.place}, range.bytes, nullptr, 0, buffer, execution);
    if (hash != range.hash) refuse_damage(undo, range.tensor, range.place, range.bytes);
  });
  for (const UndoSideFile& file : record.files) {
    if (file.existed) static_cast<void>(side_file_bytes(undo, file));
    execution.advance(file.bytes);
  }
  execution.end();
}

void put_back(const File& undo, const UndoRecord& record, HeldModel& model,
              const Execution& execution) {
  model.remove_strays();
  mark_unfinished(model.folder(), undo.path(), record);
  execution.begin("put back", original_bytes(record));
  for_each_range(record, execution, [&](std::size_t i, std::vector<std::byte>& buffer) {
    const UndoRange& range = record.ranges[i];
    const std::string hash = move_bytes({undo, range.place}, range.bytes, &model[range.shard],
                                        range.offset, buffer, execution);
    if (hash != range.hash) refuse_damage(undo, range.tensor, range.place, range.bytes);
  });
  model.sync();
  for (const UndoSideFile& file : record.files) {
    const fs::path path = model.folder() / file.name;
    if (file.existed) {
      write_text(path, side_file_bytes(undo, file), true);
    } else {
      std::error_code failure;
      fs::remove(path, failure);
      if (failure) {
        throw Error(Failure::kFailed, "io-error",
                    fmt::format("cannot remove the file: {}", failure.message()),
                    {.file = path.string()});
      }
    }
    execution.advance(file.bytes);
  }
  sync_folder(model.folder());
  unmark_unfinished(model.folder(), true);
  execution.end();
}

std::uint64_t original_bytes(const UndoRecord& record) {
  std::uint64_t bytes = 0;
  for (const UndoRange& range : record.ranges) bytes += range.bytes;
  for (const UndoSideFile& file : record.files) bytes += file.bytes;
  return bytes;
}

}  // namespace contourfuse
