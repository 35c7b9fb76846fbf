// delta.json: the same text for equal recipes, and strict reading.
#include "contourfuse/neuron/recipe.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

DeltaRecipe sample() {
  DeltaRecipe recipe{.stored = false,
                     .seed = 0xFFFFFFFFFFFFFFFF,
                     .bank = make_default_bank(Activation::kGeluTanh, 8),
                     .gate_scale = 0.1F,
                     .down_scale = 2,
                     .balance = false,
                     .family = "gemma4",
                     .hidden_size = 5376,
                     .base_digest = "00ff"};
  recipe.layers = {{5, LayerKind::kGlobal, 5376, 21504, 1344},
                   {6, LayerKind::kSliding, 5376, 1000, 62}};
  return recipe;
}

TEST(Recipe, TextKeepsEverything) {
  const DeltaRecipe recipe = sample();
  const std::string text = recipe_text(recipe);
  const DeltaRecipe back = parse_recipe(text, "delta.json");
  EXPECT_EQ(recipe_text(back), text);
  EXPECT_FALSE(back.stored);
  EXPECT_EQ(back.seed, recipe.seed);
  EXPECT_EQ(back.gate_scale, 0.1F);
  EXPECT_EQ(back.down_scale, 2.0F);
  EXPECT_FALSE(back.balance);
  EXPECT_EQ(back.family, "gemma4");
  EXPECT_EQ(back.hidden_size, 5376U);
  EXPECT_EQ(back.base_digest, "00ff");
  EXPECT_EQ(back.bank.activation, Activation::kGeluTanh);
  EXPECT_EQ(back.bank.sources[3].coefficients, recipe.bank.sources[3].coefficients);
  ASSERT_EQ(back.layers.size(), 2U);
  EXPECT_EQ(back.layers[1].layer, 6U);
  EXPECT_EQ(back.layers[1].kind, LayerKind::kSliding);
  EXPECT_EQ(back.layers[1].intermediate_size, 1000U);
  EXPECT_EQ(back.layers[1].cells, 62U);
  EXPECT_EQ(back.find_layer(6), &back.layers[1]);
  EXPECT_EQ(back.find_layer(7), nullptr);
}

TEST(Recipe, TextHasTheDocumentedKeys) {
  const nlohmann::json document = nlohmann::json::parse(recipe_text(sample()));
  EXPECT_EQ(document.at("schema"), "contourfuse.delta/1");
  EXPECT_EQ(document.at("kind"), "recipe");
  EXPECT_EQ(document.at("activation"), "gelu_pytorch_tanh");
  EXPECT_EQ(document.at("gains_per_cell"), 8);
  EXPECT_EQ(document.at("bank").at("sources").at(1).at("name"), "hardtanh(1)");
  EXPECT_EQ(document.at("base").at("digest"), "00ff");
  EXPECT_EQ(document.at("layers").at(0).at("cells"), 1344);
}

TEST(Recipe, WhatIsNotAsItMustBeIsRefused) {
  const nlohmann::json good = nlohmann::json::parse(recipe_text(sample()));
  const auto kind_of = [&](const std::function<void(nlohmann::json&)>& harm) -> std::string {
    nlohmann::json document = good;
    harm(document);
    try {
      static_cast<void>(parse_recipe(document.dump(), "delta.json"));
    } catch (const Error& error) {
      EXPECT_EQ(error.failure(), Failure::kBadInput);
      EXPECT_EQ(error.place().file, "delta.json");
      return error.kind();
    }
    return "accepted";
  };
  EXPECT_EQ(kind_of([](auto&) {}), "accepted");
  for (const auto& member : good.items()) {
    EXPECT_EQ(kind_of([&](auto& d) { d.erase(member.key()); }), "json-field") << member.key();
    EXPECT_NE(kind_of([&](auto& d) { d[member.key()] = nlohmann::json::array({nullptr}); }),
              "accepted")
        << member.key();
  }
  EXPECT_EQ(kind_of([](auto& d) { d["extra"] = 1; }), "json-unknown-key");
  EXPECT_EQ(kind_of([](auto& d) { d["base"]["extra"] = 1; }), "json-unknown-key");
  EXPECT_EQ(kind_of([](auto& d) { d["layers"][0]["extra"] = 1; }), "json-unknown-key");
  EXPECT_EQ(kind_of([](auto& d) { d["schema"] = "contourfuse.delta/2"; }), "json-field");
  EXPECT_EQ(kind_of([](auto& d) { d["kind"] = "maybe"; }), "json-field");
  EXPECT_EQ(kind_of([](auto& d) { d["seed"] = -1; }), "json-field");
  EXPECT_EQ(kind_of([](auto& d) { d["seed"] = 1.5; }), "json-field");
  EXPECT_EQ(kind_of([](auto& d) { d["gains_per_cell"] = 4; }), "json-field");
  EXPECT_EQ(kind_of([](auto& d) { d["gate_scale"] = 0; }), "json-field");
  EXPECT_EQ(kind_of([](auto& d) { d["gate_scale"] = 0.1; }), "json-field");
  EXPECT_EQ(kind_of([](auto& d) { d["balance"] = 1; }), "json-field");
  EXPECT_EQ(kind_of([](auto& d) { d["activation"] = "relu"; }), "unknown-activation");
  EXPECT_EQ(kind_of([](auto& d) { d["layers"][0]["cells"] = 1343; }), "json-field");
  EXPECT_EQ(kind_of([](auto& d) { d["layers"][1]["layer"] = 5; }), "json-field");
  EXPECT_EQ(kind_of([](auto& d) { d["layers"][1]["kind"] = "local"; }), "json-field");
  EXPECT_EQ(kind_of([](auto& d) { d["layers"][0]["hidden_size"] = std::uint64_t{1} << 40; }),
            "json-field");
  EXPECT_EQ(kind_of([](auto& d) { d["layers"][0]["intermediate_size"] = 0; }), "json-field");
  EXPECT_EQ(kind_of([](auto& d) {
              for (auto& source : d["bank"]["sources"]) source["kind"] = "sliding";
            }),
            "bad-recipe");
}

TEST(Recipe, TextThatIsNoStrictJsonIsRefused) {
  EXPECT_THROW(static_cast<void>(parse_recipe("", "delta.json")), Error);
  EXPECT_THROW(static_cast<void>(parse_recipe("[]", "delta.json")), Error);
  EXPECT_THROW(static_cast<void>(parse_recipe("{\"kind\":1,\"kind\":2}", "delta.json")), Error);
}

}  // namespace
}  // namespace contourfuse
