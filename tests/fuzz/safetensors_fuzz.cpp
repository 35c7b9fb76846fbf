// Fuzz target: the header of a safetensors file.
#include "contourfuse/io/safetensors.hpp"

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "container_mutation.hpp"
#include "refusal.hpp"

namespace contourfuse {
namespace {

using fuzz::require;

void check_payloads(const SafetensorsHeader& header) {
  std::uint64_t reached = header.data_begin();
  for (const TensorInfo& tensor : header.tensors()) {
    const ByteRange bytes = header.file_range(tensor);
    require(bytes.begin == reached && bytes.end >= bytes.begin, "payloads lie end to end");
    const auto elements = element_count(tensor.shape);
    require(elements.has_value(), "an element count is known");
    const auto bits = checked_multiply(*elements, dtype_bits(tensor.dtype));
    require(!bits || *bits == 8 * (bytes.end - bytes.begin), "a payload is as large as its shape");
    const TensorInfo* const found = header.find(tensor.name);
    require(found == &tensor, "a tensor is found by its name");
    reached = bytes.end;
  }
  require(reached == header.file_bytes(), "payloads reach the end of the file");
}

// What was read, written and read again, is the same.
void check_writer(const SafetensorsHeader& header) {
  std::vector<TensorSpec> specs;
  for (const TensorInfo& tensor : header.tensors()) {
    specs.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  const std::string written = make_safetensors_header(specs, header.metadata());
  const std::uint64_t payload = header.file_bytes() - header.data_begin();
  if (!checked_add(written.size(), payload)) return;
  const SafetensorsHeader again = parse_safetensors_header(std::as_bytes(std::span(written)),
                                                           written.size() + payload, "again");
  require(again.metadata() == header.metadata(), "metadata is written as it was read");
  require(again.tensors().size() == header.tensors().size(), "every tensor is written");
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const TensorInfo& one = header.tensors()[i];
    const TensorInfo& two = again.tensors()[i];
    require(one.name == two.name && one.dtype == two.dtype && one.shape == two.shape &&
                one.begin == two.begin && one.end == two.end,
            "a tensor is written as it was read");
  }
}

void parse(std::span<const std::byte> head, std::uint64_t file_bytes) {
  const auto header =
      fuzz::accepted([&] { return parse_safetensors_header(head, file_bytes, "input"); });
  if (!header) return;
  check_payloads(*header);
  check_writer(*header);
}

// The end that a header's last payload asks for, so that a file of that size can be tried.
std::uint64_t wanted_bytes(std::span<const std::byte> head) {
  try {
    static_cast<void>(parse_safetensors_header(head, head.size(), "input"));
  } catch (const Error& error) {
    if (error.kind() == "not-contiguous") return error.place().bytes->end;
  }
  return head.size();
}

}  // namespace
}  // namespace contourfuse

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return contourfuse::fuzz::mutate_container_in_place(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto head = std::as_bytes(std::span(data, size));
  contourfuse::parse(head, head.size());
  const std::uint64_t wanted = contourfuse::wanted_bytes(head);
  if (wanted > head.size()) contourfuse::parse(head, wanted);
  return 0;
}
