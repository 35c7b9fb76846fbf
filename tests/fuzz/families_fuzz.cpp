// Fuzz target: the families file from which a bank of neurons is made.
#include <cmath>
#include <string>

#include "contourfuse/neuron/bank.hpp"
#include "json_mutation.hpp"
#include "refusal.hpp"

namespace contourfuse {
namespace {

using fuzz::require;

void check(const NeuronBank& bank) {
  require(!bank.sources.empty(), "a bank has sources");
  for (const SourceNeuron& source : bank.sources) {
    require(source.gains.size() == 4 && source.coefficients.size() == 4, "a coefficient a gain");
    for (const float coefficient : source.coefficients) {
      require(std::isfinite(coefficient), "coefficients are finite");
    }
    require(source.function(0) == 0 && source.function(-1) == -source.function(1),
            "a source neuron is odd");
    require(std::isfinite(source.fit_error) && source.fit_error >= 0, "a fit has an error");
  }
}

}  // namespace
}  // namespace contourfuse

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return contourfuse::fuzz::mutate_json_in_place(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace contourfuse;
  const bool drop = size % 2 == 0;
  const auto bank = fuzz::accepted([&] {
    return parse_families(fuzz::text_of(data, size), "input", Activation::kSilu, 4, drop);
  });
  if (bank) check(*bank);
  return 0;
}
