// Fuzz target: the bank of neurons, a safetensors file.
#include "contourfuse/neuron/bank.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "container_mutation.hpp"
#include "memory_file.hpp"
#include "refusal.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

using fuzz::require;

NeuronBank round_trip(const NeuronBank& bank) {
  static const test::TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "bank.safetensors";
  write_bank(bank, file, Durability::kNone);
  return read_bank(file);
}

void check(const NeuronBank& bank) {
  const auto text = bank_sources_to_json(bank);
  const NeuronBank again = round_trip(bank);
  require(bank_sources_to_json(again) == text, "a bank is written as it was read");
  require(again.derivative_weight == bank.derivative_weight && again.ridge == bank.ridge,
          "with its numbers");
  const NeuronBank parsed =
      bank_from_json(nlohmann::json::parse(text.dump()), bank.activation, "again");
  require(bank_sources_to_json(parsed) == text, "its JSON is read as it was written");
  for (const SourceNeuron& source : bank.sources) {
    require(source.gains.size() == bank.gains_per_cell(), "all sources have as many gains");
    require(source.function(0) == 0, "a source neuron is odd");
  }
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
  const auto bank = fuzz::accepted([&] { return read_bank(file.path()); });
  if (bank) check(*bank);
  return 0;
}
