// What disk quotas leave.
#pragma once

#include <sys/quota.h>

#include <cstdint>
#include <optional>

namespace contourfuse {

/// Bytes that a quota leaves; nothing if it has no limit. Past a soft limit the hard one counts, as
/// long as the time of grace lasts at `now`, in seconds of Unix.
[[nodiscard]] std::optional<std::uint64_t> left_by(const dqblk& quota, std::uint64_t now) noexcept;

/// The least that the quotas of this user and group leave on the filesystem of a descriptor;
/// nothing where there is none or it cannot be read.
[[nodiscard]] std::optional<std::uint64_t> quota_left(int descriptor) noexcept;

}  // namespace contourfuse
