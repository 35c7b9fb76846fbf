// Mutation of JSON texts that keeps most of them JSON, so that inputs reach what is behind the
// grammar.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace contourfuse::fuzz {

/// A text near to `text`: one to three changes of the document's tree (a value replaced, removed,
/// repeated, moved, a key renamed), or of its bytes where it is no JSON and in one case of four.
[[nodiscard]] std::string mutate_json(std::string_view text, unsigned seed);

/// For LLVMFuzzerCustomMutator of targets whose input is one JSON text.
[[nodiscard]] std::size_t mutate_json_in_place(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed);

}  // namespace contourfuse::fuzz
