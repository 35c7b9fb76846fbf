// --layers.
#include "contourfuse/model/layer_selection.hpp"

#include <gtest/gtest.h>

#include "support/error_of.hpp"

namespace contourfuse {
namespace {

using Numbers = std::vector<std::uint64_t>;

std::vector<MlpLayer> twelve_layers() {
  std::vector<MlpLayer> layers(12);
  for (std::size_t n = 0; n < layers.size(); ++n) {
    layers[n].layer = n;
    layers[n].kind = n % 6 == 5 ? LayerKind::kGlobal : LayerKind::kSliding;
  }
  return layers;
}

Numbers select(const std::vector<std::string>& words) {
  return select_layers(words, twelve_layers());
}

TEST(LayerSelection, UnderstandsEveryForm) {
  EXPECT_EQ(select({"11", "5"}), (Numbers{5, 11}));
  EXPECT_EQ(select({"5,11", "5"}), (Numbers{5, 11}));
  EXPECT_EQ(select({"2-4", "3"}), (Numbers{2, 3, 4}));
  EXPECT_EQ(select({"global"}), (Numbers{5, 11}));
  EXPECT_EQ(select({"sliding"}).size(), 10U);
  EXPECT_EQ(select({}).size(), 12U);
  EXPECT_EQ(select({"all"}), select({}));
  EXPECT_EQ(select({"global,0"}), (Numbers{0, 5, 11}));
}

TEST(LayerSelection, RefusesBadWords) {
  for (const char* word :
       {"", "x", "5-", "-5", "9-2", "1,,2", "1 2", "5x", "99999999999999999999"}) {
    EXPECT_EQ(test::error_of([&] { (void)select({word}); }).kind(), "bad-layer-selection") << word;
  }
  EXPECT_EQ(test::error_of([] { (void)select({"12"}); }).kind(), "unknown-layer");
  EXPECT_EQ(test::error_of([] { (void)select({"10-18446744073709551615"}); }).kind(),
            "unknown-layer");
}

TEST(LayerSelection, RefusesAnEmptySelection) {
  std::vector<MlpLayer> layers = twelve_layers();
  for (MlpLayer& layer : layers) layer.kind = LayerKind::kGlobal;
  const std::vector<std::string> words = {"sliding"};
  EXPECT_EQ(test::error_of([&] { (void)select_layers(words, layers); }).kind(), "empty-selection");
}

TEST(LayerSelection, NamesTheTensorThatCannotBeEdited) {
  std::vector<MlpLayer> layers = twelve_layers();
  layers[3].roles[2] = MlpMatrix{.view = {.tensor = "t", .dtype = DType::kF8E4M3}};
  EXPECT_EQ(select_layers(std::vector<std::string>{"0-2"}, layers).size(), 3U);
  try {
    (void)select_layers(std::vector<std::string>{"3"}, layers);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), "dtype-not-editable");
    EXPECT_EQ(error.place().tensor, "t");
    EXPECT_NE(error.message().find("F8_E4M3"), std::string::npos);
  }
}

}  // namespace
}  // namespace contourfuse
