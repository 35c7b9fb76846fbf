// Fuzz target: delta.json, the recipe of a delta.
#include "contourfuse/neuron/recipe.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "contourfuse/neuron/generator.hpp"
#include "json_mutation.hpp"
#include "refusal.hpp"

namespace contourfuse {
namespace {

using fuzz::require;

// A table of a layer has some 4H entries; larger ones would be most of what the target does.
constexpr std::uint64_t kSmall = 256;

void check_text(const DeltaRecipe& recipe) {
  const std::string text = recipe_text(recipe);
  require(recipe_text(parse_recipe(text, "again")) == text, "a recipe is written as it was read");
}

// The elements at both ends of each matrix.
void check_elements(const DeltaRecipe& recipe, const RecipeLayer& layer) {
  const LayerGenerator generator(recipe, layer);
  for (const Role role : {Role::kGate, Role::kUp, Role::kDown}) {
    const std::uint64_t elements = generator.rows(role) * generator.cols(role);
    require(elements == layer.hidden_size * layer.intermediate_size, "a matrix has its sizes");
    std::array<std::uint16_t, 64> out{};
    const auto count = std::min<std::uint64_t>(elements, out.size());
    for (const std::uint64_t first : {std::uint64_t{0}, elements - count}) {
      generator.generate(role, first, std::span(out).first(count));
      const bool finite = std::all_of(
          out.begin(), out.end(), [](std::uint16_t bits) { return (bits & 0x7F80U) != 0x7F80U; });
      require(finite, "elements are finite");
    }
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
  const auto recipe =
      fuzz::accepted([&] { return parse_recipe(fuzz::text_of(data, size), "input"); });
  if (!recipe) return 0;
  check_text(*recipe);
  for (const RecipeLayer& layer : recipe->layers) {
    require(recipe->find_layer(layer.layer) == &layer, "a layer is found by its number");
    if (layer.hidden_size > kSmall || layer.intermediate_size > kSmall) continue;
    check_elements(*recipe, layer);
    break;
  }
  return 0;
}
