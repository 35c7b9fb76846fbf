// One call of the program on the disk: what the rules do with it, and what is recorded of it.
//
// The variables that govern the library, read once when it is loaded:
//   FAULTS_WATCH  a folder, absolute and without links: only calls on it and on what lies below
//   count FAULTS_LOG    a file to which one line is added for each counted call, its fields parted
//   by tabs:
//                 name, 1 or 0 (whether it changes the disk), result or -errno, path, second path,
//                 offset, bytes, and where its data begin in FAULTS_DATA (else -1); the result of a
//                 call that a rule ends the process at is "killed"
//   FAULTS_DATA   a file to which the bytes of every write are added
//   FAULTS_RULES  rules, parted by ';', of words KEY=VALUE:
//     do=fail errno=N   the call is not made and gives that error
//     do=short          a transfer moves half of what it is to move (at least a byte)
//     do=before|after|part  SIGKILL before the call, after it, or after half of its transfer
//     do=stop           SIGSTOP before the call
//     names=A,B,...     of calls; "changes" and "reads" are all of these (default: changes)
//     path=PATTERN      of the first or second path; '*' is any text (default: *)
//     from=N            offset at least that
//     nth=N             only the N-th call of those that match (default: all)
//     every=N           only every N-th
#pragma once

#include <sys/types.h>

#include <climits>
#include <cstdint>

namespace faults {

struct Call {
  const char* name;
  bool changes;
  char path[PATH_MAX] = "";
  char other[PATH_MAX] = "";  // the name that a rename or link makes
  std::int64_t offset = 0;
  std::uint64_t bytes = 0;
  const void* data = nullptr;  // of a write
  bool shortens = false;       // whether it may move less than `bytes`
};

/// The path that a descriptor is open on; empty if there is none.
void path_of(int descriptor, char (&path)[PATH_MAX]);
/// The absolute path of a name relative to a folder's descriptor; "." and ".." stay in it.
void path_at(int folder, const char* name, char (&path)[PATH_MAX]);

/// Makes a call by `perform(context, bytes)`, which answers as libc does, and the rules' will.
long make(Call& call, long (*perform)(void* context, std::uint64_t bytes), void* context);

template <class Perform>
long watched(Call& call, Perform perform) {
  return make(
      call,
      [](void* context, std::uint64_t bytes) {
        return static_cast<long>((*static_cast<Perform*>(context))(bytes));
      },
      &perform);
}

}  // namespace faults
