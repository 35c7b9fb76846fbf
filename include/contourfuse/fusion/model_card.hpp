// README.md of a fused checkpoint: a derivative says what it derives from.
#pragma once

#include <string>
#include <string_view>

#include "contourfuse/fusion/plan.hpp"

namespace contourfuse {

inline constexpr const char* kModelCardName = "README.md";

/// The base's card (may be empty) with a `base_model` entry in its YAML front matter and a section
/// with the settings; a second fuse replaces the section instead of adding one.
[[nodiscard]] std::string derived_model_card(std::string_view base_card, const FusePlan& plan);

}  // namespace contourfuse
