// Rules, the log, and the calls in between. Nothing here allocates, and nothing calls what the
// library interposes: the disk is reached by syscall() alone.
#include "watched_call.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace faults {
namespace {

enum class Deed { kFail, kShort, kBefore, kAfter, kPart, kStop };

struct Rule {
  Deed deed = Deed::kFail;
  int error = EIO;
  char names[128] = "changes";
  char path[PATH_MAX] = "*";
  std::int64_t from = INT64_MIN;
  std::uint64_t nth = 0;
  std::uint64_t every = 1;
  std::uint64_t seen = 0;
};

constexpr std::size_t kMostRules = 4;

struct State {
  bool ready = false;
  char watch[PATH_MAX] = "";
  std::size_t watch_length = 0;
  int log = -1;
  int data = -1;
  std::int64_t data_end = 0;
  Rule rules[kMostRules];
  std::size_t rule_count = 0;
};

constinit State state{};
// Held over a call, so that the log has the order in which the calls happened.
pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

void put(int descriptor, const void* bytes, std::size_t count) {
  const char* from = static_cast<const char*>(bytes);
  while (count > 0) {
    const long moved = ::syscall(SYS_write, descriptor, from, count);
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) return;
    from += moved;
    count -= static_cast<std::size_t>(moved);
  }
}

[[noreturn]] void refuse(const char* what, const char* text) {
  for (const char* part : {"faults: ", what, ": ", text, "\n"}) {
    put(STDERR_FILENO, part, std::strlen(part));
  }
  ::_exit(70);
}

// '*' is any text, '/' in it too.
bool fits(const char* text, const char* pattern) {
  for (; *pattern != '*'; ++pattern, ++text) {
    if (*pattern != *text) return false;
    if (*pattern == '\0') return true;
  }
  while (pattern[1] == '*') ++pattern;
  for (;; ++text) {
    if (fits(text, pattern + 1)) return true;
    if (*text == '\0') return false;
  }
}

bool lists(const char* names, const Call& call) {
  const char* const kind = call.changes ? "changes" : "reads";
  for (const char* at = names; *at != '\0';) {
    const std::size_t length = std::strcspn(at, ",");
    for (const char* name : {call.name, kind}) {
      if (std::strlen(name) == length && std::memcmp(at, name, length) == 0) return true;
    }
    at += length + (at[length] == ',' ? 1 : 0);
  }
  return false;
}

bool is_watched(const char* path) {
  if (std::strncmp(path, state.watch, state.watch_length) != 0) return false;
  const char next = path[state.watch_length];
  return next == '/' || next == '\0';
}

bool strikes(Rule& rule, const Call& call) {
  if (!lists(rule.names, call) || call.offset < rule.from) return false;
  if (!fits(call.path, rule.path) && (call.other[0] == '\0' || !fits(call.other, rule.path))) {
    return false;
  }
  ++rule.seen;
  return (rule.nth == 0 || rule.seen == rule.nth) && rule.seen % rule.every == 0;
}

void record(const Call& call, const char* result, bool moved, std::uint64_t bytes) {
  std::int64_t place = -1;
  if (moved && call.data != nullptr && state.data >= 0) {
    place = state.data_end;
    put(state.data, call.data, bytes);
    state.data_end += static_cast<std::int64_t>(bytes);
  }
  if (state.log < 0) return;
  static char line[2 * PATH_MAX + 256];  // only under the lock
  const int length = std::snprintf(
      line, sizeof line, "%s\t%d\t%s\t%s\t%s\t%lld\t%llu\t%lld\n", call.name, call.changes ? 1 : 0,
      result, call.path, call.other, static_cast<long long>(call.offset),
      static_cast<unsigned long long>(bytes), static_cast<long long>(place));
  if (length > 0) put(state.log, line, static_cast<std::size_t>(length));
}

[[noreturn]] void end_process(const Call& call, std::uint64_t bytes) {
  record(call, "killed", bytes > 0, bytes);
  for (;;) ::syscall(SYS_kill, ::getpid(), SIGKILL);
}

std::uint64_t half(std::uint64_t bytes) { return bytes - bytes / 2; }

template <std::size_t N>
void take(char (&out)[N], const char* value) {
  if (std::strlen(value) >= N) refuse("too long", value);
  std::strcpy(out, value);
}

std::int64_t number(const char* value) {
  char* end = nullptr;
  const long long parsed = std::strtoll(value, &end, 10);
  if (end == value || *end != '\0') refuse("not a number", value);
  return parsed;
}

Deed deed_called(const char* name) {
  constexpr const char* kNames[] = {"fail", "short", "before", "after", "part", "stop"};
  for (int i = 0; i < 6; ++i) {
    if (std::strcmp(name, kNames[i]) == 0) return static_cast<Deed>(i);
  }
  refuse("unknown deed", name);
}

void take_word(Rule& rule, char* word) {
  char* const equals = std::strchr(word, '=');
  if (equals == nullptr) refuse("no '=' in", word);
  *equals = '\0';
  const char* const value = equals + 1;
  if (std::strcmp(word, "do") == 0) {
    rule.deed = deed_called(value);
  } else if (std::strcmp(word, "errno") == 0) {
    rule.error = static_cast<int>(number(value));
  } else if (std::strcmp(word, "names") == 0) {
    take(rule.names, value);
  } else if (std::strcmp(word, "path") == 0) {
    take(rule.path, value);
  } else if (std::strcmp(word, "from") == 0) {
    rule.from = number(value);
  } else if (std::strcmp(word, "nth") == 0) {
    rule.nth = static_cast<std::uint64_t>(number(value));
  } else if (std::strcmp(word, "every") == 0) {
    rule.every = std::max(std::uint64_t{1}, static_cast<std::uint64_t>(number(value)));
  } else {
    refuse("unknown key", word);
  }
}

void take_rules(const char* text) {
  static char copy[(kMostRules * PATH_MAX)];
  take(copy, text);
  char* next_rule = copy;
  while (char* const rule_text = ::strsep(&next_rule, ";")) {
    if (state.rule_count == kMostRules) refuse("too many rules", text);
    Rule& rule = state.rules[state.rule_count++];
    char* next_word = rule_text;
    while (char* const word = ::strsep(&next_word, " ")) {
      if (*word != '\0') take_word(rule, word);
    }
  }
}

// Far from the numbers that the program sees, and appending, so that nothing is sought.
int open_record(const char* path) {
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  const long opened = ::syscall(SYS_openat, AT_FDCWD, path, flags, 0666);
  if (opened < 0) refuse("cannot open", path);
  const long moved = ::syscall(SYS_fcntl, opened, F_DUPFD_CLOEXEC, 200);
  if (moved < 0) return static_cast<int>(opened);
  ::syscall(SYS_close, opened);
  return static_cast<int>(moved);
}

__attribute__((constructor)) void read_variables() {
  if (const char* const watch = std::getenv("FAULTS_WATCH")) take(state.watch, watch);
  state.watch_length = std::strlen(state.watch);
  if (state.watch_length == 0) return;
  if (const char* const rules = std::getenv("FAULTS_RULES")) take_rules(rules);
  if (const char* const path = std::getenv("FAULTS_LOG")) state.log = open_record(path);
  if (const char* const path = std::getenv("FAULTS_DATA")) state.data = open_record(path);
  state.ready = true;
}

}  // namespace

void path_of(int descriptor, char (&path)[PATH_MAX]) {
  char link[32];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const long length = ::syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
  path[std::max(0L, length)] = '\0';
}

void path_at(int folder, const char* name, char (&path)[PATH_MAX]) {
  path[0] = '\0';
  if (name == nullptr) return;
  if (name[0] != '/') {
    if (folder == AT_FDCWD) {
      if (::syscall(SYS_getcwd, path, PATH_MAX) <= 0) path[0] = '\0';
    } else {
      path_of(folder, path);
    }
  }
  const std::size_t length = std::strlen(path);
  const bool apart = length > 0 && path[length - 1] != '/';
  std::snprintf(path + length, PATH_MAX - length, "%s%s", apart ? "/" : "", name);
}

long make(Call& call, long (*perform)(void* context, std::uint64_t bytes), void* context) {
  const int error_before = errno;
  if (!state.ready || !(is_watched(call.path) || is_watched(call.other))) {
    errno = error_before;
    return perform(context, call.bytes);
  }
  ::pthread_mutex_lock(&one_at_a_time);
  std::uint64_t bytes = call.bytes;
  int error = 0;
  bool kill_after = false;
  for (std::size_t i = 0; i < state.rule_count; ++i) {
    Rule& rule = state.rules[i];
    if (!strikes(rule, call)) continue;
    switch (rule.deed) {
      case Deed::kFail:
        error = rule.error;
        break;
      case Deed::kShort:
        if (call.shortens) bytes = half(bytes);
        break;
      case Deed::kBefore:
        end_process(call, 0);
      case Deed::kAfter:
        kill_after = true;
        break;
      case Deed::kPart:
        if (call.shortens) bytes /= 2;
        if (!call.shortens || bytes == 0) end_process(call, 0);
        kill_after = true;
        break;
      case Deed::kStop:
        ::syscall(SYS_kill, ::getpid(), SIGSTOP);
        break;
    }
  }
  errno = error != 0 ? error : error_before;
  const long result = error != 0 ? -1 : perform(context, bytes);
  const int error_after = errno;
  const std::uint64_t moved =
      call.shortens && result >= 0 ? static_cast<std::uint64_t>(result) : bytes;
  if (kill_after) end_process(call, moved);
  char text[24];
  std::snprintf(text, sizeof text, "%ld", result < 0 ? -static_cast<long>(error_after) : result);
  record(call, text, result > 0, moved);
  ::pthread_mutex_unlock(&one_at_a_time);
  errno = error_after;
  return result;
}

}  // namespace faults
