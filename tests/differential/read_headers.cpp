// Reads safetensors files from standard input, each after its length (32 bits, little-endian), and
// prints a line of JSON for each: what the header says, or why it is refused.
#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <iostream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "contourfuse/io/safetensors.hpp"

namespace contourfuse {
namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson document_of(const std::string& file) {
  try {
    const SafetensorsHeader header =
        parse_safetensors_header(std::as_bytes(std::span(file)), file.size(), "case");
    OrderedJson tensors = OrderedJson::array();
    for (const TensorInfo& tensor : header.tensors()) {
      const ByteRange bytes = header.file_range(tensor);
      tensors.push_back(
          {tensor.name, dtype_name(tensor.dtype), tensor.shape, bytes.begin, bytes.end});
    }
    return {{"tensors", std::move(tensors)}, {"metadata", header.metadata()}};
  } catch (const Error& error) {
    return {{"refused", error.kind()}, {"message", error.message()}};
  }
}

}  // namespace
}  // namespace contourfuse

int main() {
  std::ios::sync_with_stdio(false);
  std::array<char, 4> length{};
  while (std::cin.read(length.data(), length.size())) {
    std::size_t bytes = 0;
    for (std::size_t i = length.size(); i-- > 0;) {
      bytes = bytes << 8U | static_cast<unsigned char>(length[i]);
    }
    std::string file(bytes, '\0');
    std::cin.read(file.data(), static_cast<std::streamsize>(bytes));
    // A message may hold a piece of a name that is cut inside of a character.
    std::cout << contourfuse::document_of(file).dump(
                     -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
              << '\n';
  }
}
