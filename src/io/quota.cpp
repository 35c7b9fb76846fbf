// quotactl_fd: the kernel's own quotas. NFS and Lustre keep theirs elsewhere.
#include "quota.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <limits>

namespace contourfuse {
namespace {

/// Limits are counted in these, whatever the filesystem's own blocks are.
constexpr std::uint64_t kLimitBlock = 1024;

std::uint64_t limit_bytes(std::uint64_t blocks) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  return blocks > kMost / kLimitBlock ? kMost : blocks * kLimitBlock;
}

}  // namespace

std::optional<std::uint64_t> left_by(const dqblk& quota, std::uint64_t now) noexcept {
  const bool is_over_time = quota.dqb_btime != 0 && quota.dqb_btime <= now;
  const std::uint64_t blocks =
      is_over_time && quota.dqb_bsoftlimit != 0 ? quota.dqb_bsoftlimit : quota.dqb_bhardlimit;
  if (blocks == 0) return std::nullopt;
  const std::uint64_t limit = limit_bytes(blocks);
  return limit - std::min<std::uint64_t>(limit, quota.dqb_curspace);
}

std::optional<std::uint64_t> quota_left(int descriptor) noexcept {
#ifdef SYS_quotactl_fd
  if (::geteuid() == 0) return std::nullopt;  // root may go beyond every limit
  const auto now = static_cast<std::uint64_t>(std::max<std::time_t>(std::time(nullptr), 0));
  std::optional<std::uint64_t> least;
  const auto add = [&](int type, unsigned id) {
    dqblk quota{};
    const auto command = static_cast<unsigned>(QCMD(Q_GETQUOTA, type));
    if (::syscall(SYS_quotactl_fd, descriptor, command, id, &quota) != 0) return;
    const auto left = left_by(quota, now);
    if (left) least = std::min(*left, least.value_or(*left));
  };
  add(USRQUOTA, ::geteuid());
  add(GRPQUOTA, ::getegid());
  return least;
#else
  static_cast<void>(descriptor);
  return std::nullopt;
#endif
}

}  // namespace contourfuse
