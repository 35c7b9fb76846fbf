// What a file's permissions forbid, seen by a test that root may run.
#pragma once

#include <unistd.h>

namespace contourfuse::test {

/// Root's rights, effective and real, are given up while it lives. Affects the whole process.
class WithoutRoot {
 public:
  WithoutRoot() : was_root_(::geteuid() == 0) {
    if (was_root_) given_up_ = ::setresuid(kNobody, kNobody, 0) == 0;
  }
  WithoutRoot(const WithoutRoot&) = delete;
  WithoutRoot& operator=(const WithoutRoot&) = delete;
  ~WithoutRoot() {
    if (given_up_) static_cast<void>(::setresuid(0, 0, 0));
  }
  /// False where they cannot be given up, as in a namespace of one user.
  [[nodiscard]] bool holds() const noexcept { return !was_root_ || given_up_; }

 private:
  static constexpr uid_t kNobody = 65534;
  bool was_root_;
  bool given_up_ = false;
};

}  // namespace contourfuse::test
