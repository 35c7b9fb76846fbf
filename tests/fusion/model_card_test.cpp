// Tests of the derived model card: front matter edited as text, and the section with the settings.
#include "contourfuse/fusion/model_card.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace contourfuse {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

FusePlan plan_of(const std::string& base_folder) {
  FusePlan plan;
  plan.base.folder = base_folder;
  plan.settings.weights = "/private/deltas/my-delta";
  plan.settings.parameters.alpha = 32;
  plan.settings.parameters.gamma_cap = 0.05;
  plan.selected_layers = {5, 11, 17, 18, 19};
  return plan;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

TEST(ModelCard, KeepsTheFrontMatterAndAddsTheBase) {
  const std::string card = derived_model_card(
      "---\nlicense: mit\nlanguage: [code]\ntags: [gemma4_text, test-fixture]\n---\n# "
      "tiny\n\nText.\n",
      plan_of("/models/tiny-gemma4"));
  EXPECT_THAT(card, StartsWith("---\nlicense: mit\nlanguage: [code]\n"
                               "tags: [gemma4_text, test-fixture, contourfuse]\n"
                               "base_model: tiny-gemma4\nbase_model_relation: finetune\n---\n"
                               "# tiny\n\nText.\n\n## Shape-Contoured Fusion\n"));
}

TEST(ModelCard, SaysTheSettingsAndNoPrivatePath) {
  const std::string card = derived_model_card("", plan_of("/private/models/tiny"));
  EXPECT_THAT(card, StartsWith("---\nbase_model: tiny\nbase_model_relation: "));
  EXPECT_THAT(card, HasSubstr("tags:\n- contourfuse\n---\n"));
  EXPECT_THAT(card, HasSubstr("| alpha | 32 |\n| gamma cap | 0.05 |\n"));
  EXPECT_THAT(card, HasSubstr("| delta | `my-delta` |\n"));
  EXPECT_THAT(card, HasSubstr("| layers | 5, 11, 17–19 |\n"));
  EXPECT_THAT(card, Not(HasSubstr("private")));
}

TEST(ModelCard, NamesAHubModelByItsId) {
  const std::string card =
      derived_model_card("---\nbase_model: google/gemma-4-31B\n---\n",
                         plan_of("/cache/models--google--gemma-4-31B-it/snapshots/0123abc"));
  EXPECT_THAT(card, HasSubstr("\nbase_model: google/gemma-4-31B-it\n"));
  EXPECT_EQ(count(card, "base_model:"), 1U);
}

TEST(ModelCard, ReplacesABaseModelListAndItsRelation) {
  const std::string card = derived_model_card(
      "---\nbase_model:\n  - a/b\n- c/d\nbase_model_relation: merge\nlicense: mit\n---\nText\n",
      plan_of("/m/my-model"));
  EXPECT_THAT(card, StartsWith("---\nbase_model: my-model\nbase_model_relation: finetune\n"
                               "license: mit\ntags:\n- contourfuse\n---\nText\n"));
}

TEST(ModelCard, AddsTheTagInEveryWayThatTagsAreWritten) {
  const auto front = [](const std::string& tags) {
    return derived_model_card("---\n" + tags + "\nlicense: mit\n---\n", plan_of("/m/a-b"));
  };
  EXPECT_THAT(front("tags:\n  - one\n  - two"),
              StartsWith("---\ntags:\n  - one\n  - two\n  - contourfuse\nlicense: mit\n"));
  EXPECT_THAT(front("tags:\n- one"), StartsWith("---\ntags:\n- one\n- contourfuse\nlicense"));
  EXPECT_THAT(front("tags: []"), StartsWith("---\ntags: [contourfuse]\nlicense"));
  EXPECT_THAT(front("tags: [one,\n  two]"),
              StartsWith("---\ntags: [one, two, contourfuse]\nlicense"));
  EXPECT_THAT(front("tags: one"), StartsWith("---\ntags: [one, contourfuse]\nlicense"));
  EXPECT_THAT(front("tags:"), StartsWith("---\ntags:\n- contourfuse\nlicense"));
  EXPECT_THAT(front("tags:\n- contourfuse"), StartsWith("---\ntags:\n- contourfuse\nlicense"));
  EXPECT_THAT(front("tags: ['contourfuse']"), StartsWith("---\ntags: ['contourfuse']\nlicense"));
}

TEST(ModelCard, LeavesNestedKeysAlone) {
  const std::string card = derived_model_card(
      "---\nmodel-index:\n  base_model: deep\n  tags: [deep]\n---\n", plan_of("/m/a-b"));
  EXPECT_THAT(card, StartsWith("---\nmodel-index:\n  base_model: deep\n  tags: [deep]\n"
                               "base_model: a-b\n"));
}

TEST(ModelCard, ASecondFuseReplacesTheSection) {
  const std::string first =
      derived_model_card("---\nlicense: mit\n---\n# T\n", plan_of("/m/one-x"));
  FusePlan again = plan_of("/m/two-x");
  again.settings.parameters.alpha = 7;
  const std::string second = derived_model_card(first + "\n## Later\n\nkept\n", again);
  EXPECT_EQ(count(second, "## Shape-Contoured Fusion"), 1U);
  EXPECT_EQ(count(second, "contourfuse\n---"), 1U);
  EXPECT_THAT(second, HasSubstr("| alpha | 7 |"));
  EXPECT_THAT(second, Not(HasSubstr("| alpha | 32 |")));
  EXPECT_THAT(second, HasSubstr("## Later\n\nkept\n"));
  EXPECT_THAT(second, HasSubstr("base_model: two-x"));
  EXPECT_THAT(second, Not(HasSubstr("one-x")));
  EXPECT_EQ(derived_model_card(second, again), second);
}

TEST(ModelCard, AHeadingInsideACodeBlockIsText) {
  const std::string code = "```\n## Shape-Contoured Fusion\n```\n";
  EXPECT_THAT(derived_model_card(code, plan_of("/m/a-b")), HasSubstr("---\n" + code));
}

TEST(ModelCard, KeepsWindowsLineEnds) {
  const std::string card =
      derived_model_card("---\r\nlicense: mit\r\n---\r\n# T\r\n", plan_of("/m/a-b"));
  EXPECT_EQ(count(card, "\r\n"), count(card, "\n"));
  EXPECT_THAT(card, StartsWith("---\r\nlicense: mit\r\nbase_model: a-b\r\n"));
}

TEST(ModelCard, QuotesWhatYamlWouldReadOtherwise) {
  EXPECT_THAT(derived_model_card("", plan_of("/m/no")), HasSubstr("base_model: \"no\"\n"));
  EXPECT_THAT(derived_model_card("", plan_of("/m/a: b #c")),
              HasSubstr("base_model: \"a: b #c\"\n"));
}

}  // namespace
}  // namespace contourfuse
