// Checking a fused checkpoint against its manifest, its base and its delta.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/fusion/backend.hpp"

namespace contourfuse {

struct VerifySettings {
  std::filesystem::path output{};
  std::optional<std::string> base{};  ///< folder or hub id; needed by recompute
  std::optional<std::filesystem::path> weights{};
  bool recompute = false;
};

/// One thing that is wrong; `tensor` is empty for whole files.
struct VerifyProblem {
  std::string file{};
  std::string tensor{};
  std::string message{};
};

struct VerifyReport {
  std::uint64_t files = 0;    ///< hashed
  std::uint64_t tensors = 0;  ///< compared with the base or recomputed
  std::uint64_t bytes = 0;
  std::vector<std::string> checks{};  ///< what was checked, in words
  std::vector<VerifyProblem> problems{};
  double seconds = 0;
  [[nodiscard]] bool ok() const noexcept { return problems.empty(); }
};

/// Hashes every listed file, names missing, changed and extra ones and, for a changed shard, the
/// tensors of the closed `edited` list or of the base that differ. With a base: every tensor that
/// is not in `edited` equals it. With recompute: edited tensors again from base and delta. A folder
/// without a manifest is a problem, and the report says what could be checked.
[[nodiscard]] VerifyReport verify(const VerifySettings& settings, Backend& backend,
                                  const Execution& execution);

}  // namespace contourfuse
