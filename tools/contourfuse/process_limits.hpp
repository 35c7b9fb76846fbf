// What the system allows this process: files and memory.
#pragma once

namespace contourfuse {

/// Raises the limit of open files to what the system allows without asking: a fuse holds all shards
/// open, of the base and of the output, and the usual limit of 1024 is made for other programs.
void raise_descriptor_limit() noexcept;

/// Sets memory aside that is given up when there is no more: the way to the error needs some, and
/// the destructors of JSON documents, which must not throw.
void reserve_memory() noexcept;

/// Ends the process with its output written. Where memory is limited, without the ends of
/// libraries: OpenBLAS waits for threads of its own that may be looking for memory for ever.
[[noreturn]] void leave(int code);

}  // namespace contourfuse
