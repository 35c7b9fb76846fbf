// Fuzz target: captured inputs of MLPs, a safetensors file.
#include "contourfuse/sweep/probe.hpp"

#include <cmath>
#include <set>

#include "container_mutation.hpp"
#include "memory_file.hpp"
#include "refusal.hpp"

namespace contourfuse {
namespace {

using fuzz::require;

void read(const std::filesystem::path& path, std::uint64_t layer, std::uint64_t hidden_size) {
  const auto rows = fuzz::accepted([&] { return ProbeFile(path).rows(layer, hidden_size); });
  if (!rows) return;
  require(rows->tokens > 0 && rows->values.size() == rows->tokens * hidden_size,
          "rows are as many as said");
  for (const float value : rows->values) require(std::isfinite(value), "values are finite");
}

}  // namespace
}  // namespace contourfuse

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return contourfuse::fuzz::mutate_container_in_place(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace contourfuse;
  const fuzz::MemoryFile file(data, size);
  // A file may be of any model: asked for what a sweep of its layers would ask for.
  std::set<std::uint64_t> sizes{4};
  if (const auto header = fuzz::accepted([&] { return read_safetensors_header(file.path()); })) {
    for (const TensorInfo& tensor : header->tensors()) {
      if (tensor.shape.size() == 2 && tensor.shape[1] > 0) sizes.insert(tensor.shape[1]);
    }
  }
  for (const std::uint64_t hidden_size : sizes) {
    for (const std::uint64_t layer : {0U, 1U}) read(file.path(), layer, hidden_size);
  }
  return 0;
}
