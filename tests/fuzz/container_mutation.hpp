// Mutation of safetensors files that keeps most of them files: the length field fits the header.
#pragma once

#include <cstddef>
#include <cstdint>

namespace contourfuse::fuzz {

/// For LLVMFuzzerCustomMutator of targets whose input is a safetensors file: changes the header as
/// JSON or the payload as bytes; in one case of eight all as bytes.
[[nodiscard]] std::size_t mutate_container_in_place(std::uint8_t* data, std::size_t size,
                                                    std::size_t max_size, unsigned seed);

}  // namespace contourfuse::fuzz
