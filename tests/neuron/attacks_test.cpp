// Every file of attacks/ breaks one rule of a families file, a recipe or a bank, and is refused for
// it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "contourfuse/io/file.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/neuron/recipe.hpp"
#include "io/attack_folder.hpp"
#include "support/error_of.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

TEST(Attacks, OnFamiliesAreRefused) {
  test::expect_refusals("neuron/attacks/families",
                        {"json-bom", "json-not-utf8", "json-syntax", "json-duplicate-key",
                         "json-too-deep", "json-field", "json-unknown-key", "bad-bank",
                         "bad-family", "bad-source-neuron", "even-part"},
                        [](const fs::path& path) {
                          static_cast<void>(make_bank(Activation::kSilu, 4, path, false));
                        });
}

TEST(Attacks, OnARecipeAreRefused) {
  test::expect_refusals("neuron/attacks/recipe",
                        {"json-bom", "json-not-utf8", "json-syntax", "json-duplicate-key",
                         "json-too-deep", "json-field", "json-unknown-key", "unknown-activation",
                         "bad-bank", "bad-source-neuron", "bad-recipe"},
                        [](const fs::path& path) { static_cast<void>(read_recipe(path)); });
}

TEST(Attacks, WithOneLayerTooManyAreRefused) {
  DeltaRecipe recipe{.bank = make_default_bank(Activation::kSilu)};
  nlohmann::json document = nlohmann::json::parse(recipe_text(recipe));
  document["base"]["hidden_size"] = 8;
  document["layers"] = std::vector<int>(65537);
  const Error error =
      test::error_of([&] { static_cast<void>(parse_recipe(document.dump(), "delta.json")); });
  EXPECT_EQ(error.message(), "\"layers\" has more than 65536 entries");
}

TEST(Attacks, OnABankAreRefused) {
  test::expect_refusals(
      "neuron/attacks/bank",
      {"header-past-end", "not-contiguous", "json-syntax", "unknown-activation", "bad-bank"},
      [](const fs::path& path) { static_cast<void>(read_bank(path)); });
}

}  // namespace
}  // namespace contourfuse
