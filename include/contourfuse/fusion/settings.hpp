// What a fuse is asked to do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "contourfuse/io/bulk_reader.hpp"
#include "contourfuse/io/publish.hpp"

namespace contourfuse {

enum class VarianceNorm : std::uint8_t { kMatch, kUnit, kNone };
enum class Rounding : std::uint8_t { kNearest, kStochastic };
enum class NonFinite : std::uint8_t { kError, kKeep };

[[nodiscard]] std::string_view to_string(VarianceNorm norm) noexcept;    // "match" "unit" "none"
[[nodiscard]] std::string_view to_string(Rounding rounding) noexcept;    // "nearest" "stochastic"
[[nodiscard]] std::string_view to_string(NonFinite nonfinite) noexcept;  // "error" "keep"

/// The numbers that decide the bits (docs/numerics.md).
struct FuseParameters {
  double alpha = 0.02;
  double gamma_cap = 0.05;
  VarianceNorm variance_norm = VarianceNorm::kMatch;
  Rounding rounding = Rounding::kNearest;
  std::uint64_t rounding_seed = 0;
  NonFinite nonfinite = NonFinite::kError;
  bool require_full_coverage = false;
};

struct FuseSettings {
  std::string model{};  ///< folder or hub id
  std::string revision{};
  std::filesystem::path weights{};  ///< delta folder, or a delta.json
  std::filesystem::path output{};
  FuseParameters parameters{};
  std::vector<std::string> layers{};  ///< select_layers' words
  bool overwrite = false;
  bool resume = false;     ///< go on from what an unfinished run to the same output left
  bool model_card = true;  ///< mark README.md as a derivative of the base
  ReadMethod read_method = ReadMethod::kAuto;
  bool direct = false;  ///< write past the page cache; read so too under ReadMethod::kAuto
  Durability durability = Durability::kFull;
  std::vector<std::string> command{};  ///< words for the manifest; without output and threads
};

/// The settings as a command line that gives the same output: what the manifest records. Equal
/// settings give equal words, however they were typed; where and how fast it ran is left out.
[[nodiscard]] std::vector<std::string> fuse_command(const FuseSettings& settings);

}  // namespace contourfuse
