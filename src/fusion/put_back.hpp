// Moving original bytes: into an undo file, and from there back into the model.
#pragma once

#include "contourfuse/core/execution.hpp"
#include "contourfuse/io/file.hpp"
#include "fusion/held_model.hpp"
#include "fusion/undo_file.hpp"

namespace contourfuse {

/// Throws what require_space throws if there is no room for an undo file. Sets the record's places.
void require_undo_space(const std::filesystem::path& path, UndoRecord& record, Failure failure);

/// Publishes the undo file of `record` at `path`, whole and durable: original bytes of ranges and
/// files. Fills in the hashes. First requires room for it.
void write_undo_file(const std::filesystem::path& path, UndoRecord& record, HeldModel& model,
                     const Execution& execution);

/// Writes and removes kUnfinishedName.
void mark_unfinished(const std::filesystem::path& folder, const std::filesystem::path& undo,
                     const UndoRecord& record);
void unmark_unfinished(const std::filesystem::path& folder, bool durable);

/// Refuses (Error{kBadInput, "not-the-model"}) shards of another size, or with other bytes where
/// nothing was to change, and (Error{kBadInput, "fused-again"}) a model that a later
/// fuse has changed or begun to change.
void check_model(const HeldModel& model, const UndoRecord& record);

/// Reads every original byte: Error{kFailed, "undo-damaged"} where the hash does not match.
void check_originals(const File& undo, const UndoRecord& record, const Execution& execution);

/// Writes the originals back and waits until they are on disk; side files that were not there are
/// removed. After check_model() and check_originals().
void put_back(const File& undo, const UndoRecord& record, HeldModel& model,
              const Execution& execution);

/// Bytes of the originals.
[[nodiscard]] std::uint64_t original_bytes(const UndoRecord& record);

}  // namespace contourfuse
