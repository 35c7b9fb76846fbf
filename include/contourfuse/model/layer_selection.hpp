// `--layers 5 11 17`, `0-9`, `global`, `sliding`, `all`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "contourfuse/model/checkpoint.hpp"

namespace contourfuse {

/// The layer numbers that the words select, ascending and once each; no words select all, and a
/// word may be a list with commas. A layer that the checkpoint does not have is
/// Error{kBadInput, "unknown-layer"}, a reversed range or an unknown word is
/// Error{kUsage, "bad-layer-selection"}, a selection that ends empty is
/// Error{kBadInput, "empty-selection"}, a selected layer of a type that cannot be edited (FP8,
/// packed integers) is Error{kBadInput, "dtype-not-editable"} naming the tensor.
[[nodiscard]] std::vector<std::uint64_t> select_layers(std::span<const std::string> words,
                                                       std::span<const MlpLayer> layers);

}  // namespace contourfuse
