// Strict JSON: what is refused, with the byte, and what is read.
#include "contourfuse/io/json.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "contourfuse/io/file.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

Error refused(const std::string& text) {
  return test::error_of([&text] { static_cast<void>(parse_json(text, "f.json")); });
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

TEST(Json, ReadsEveryKindOfValue) {
  const nlohmann::json document = parse_json(
      R"( {"null":null,"true":true,"whole":18446744073709551615,"minus":-9223372036854775808,)"
      R"("fraction":0.1,"text":"a\u00e9\ud83d\ude00","array":[1,[2],{"x":[]}],"object":{"a":{}}} )"
      "\r\n\t",
      "f.json");
  EXPECT_EQ(document.size(), 8U);
  EXPECT_TRUE(document["null"].is_null());
  EXPECT_EQ(document["true"], true);
  EXPECT_EQ(document["whole"], 18446744073709551615U);
  EXPECT_EQ(document["minus"], std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(document["fraction"], 0.1);
  EXPECT_EQ(document["text"], "aé😀");
  EXPECT_EQ(document["array"].dump(), R"([1,[2],{"x":[]}])");
  EXPECT_EQ(document["object"].dump(), R"({"a":{}})");
  EXPECT_EQ(parse_json("7", "f.json"), 7);
}

TEST(Json, ASameKeyInAnotherObjectIsNotTwice) {
  EXPECT_EQ(parse_json(R"({"a":{"a":1},"b":{"a":2}})", "f")["b"]["a"], 2);
}

TEST(Json, RefusesAKeyTwiceAndSaysWhere) {
  const Error error = refused(R"({"a":{"k":1, "k" :2}})");
  EXPECT_EQ(error.kind(), "json-duplicate-key");
  EXPECT_EQ(error.failure(), Failure::kBadInput);
  EXPECT_EQ(error.place().file, "f.json");
  ASSERT_TRUE(error.place().bytes);
  EXPECT_EQ(error.place().bytes->begin, 13U);
  EXPECT_EQ(error.place().bytes->end, 16U);
  EXPECT_NE(error.message().find("\"k\""), std::string::npos);
  EXPECT_EQ(refused(R"({"a":1,"\u0061":1})").kind(), "json-duplicate-key");
  EXPECT_EQ(refused(R"([{"a":null,"a":null}])").kind(), "json-duplicate-key");
}

TEST(Json, RefusesDepthPastTheLimit) {
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth), "f").is_array());
  const Error error = refused(nested(kMaxJsonDepth + 1));
  EXPECT_EQ(error.kind(), "json-too-deep");
  ASSERT_TRUE(error.place().bytes);
  EXPECT_EQ(error.place().bytes->begin, 64U);
  EXPECT_EQ(error.place().bytes->end, 65U);
  EXPECT_EQ(refused(std::string(10'000'000, '[')).kind(), "json-too-deep");
}

TEST(Json, RefusesAByteOrderMarkAndInvalidUtf8) {
  EXPECT_EQ(refused("\xEF\xBB\xBF{}").kind(), "json-bom");
  const Error error = refused("{\"a\":\"x\xC3\"}");
  EXPECT_EQ(error.kind(), "json-not-utf8");
  EXPECT_EQ(error.place().bytes->begin, 7U);
}

TEST(Json, RefusesWhatIsNotJson) {
  const char* const texts[] = {
      "",       " ",         "{",           "{}}",   "[1,]",    "{\"a\":1,}", "nul",
      "NaN",    "[-NaN]",    "Infinity",    "01",    "+1",      "1.",         ".5",
      "1e",     "0x10",      "'a'",         "{a:1}", "// c\n1", "/* c */ 1",  "[1 2]",
      "\"\n\"", "\"\\x41\"", "\"\\ud800\"", "1e999", "{} {}",   "\"a",        "[\"\t\"]"};
  for (const char* const text : texts) {
    SCOPED_TRACE(text);
    const Error error = refused(text);
    EXPECT_EQ(error.kind(), "json-syntax");
    EXPECT_TRUE(error.place().bytes);
    EXPECT_EQ(std::string(error.what()).find("exception"), std::string::npos) << error.what();
  }
  EXPECT_EQ(refused(std::string("{}\0{", 4)).kind(), "json-syntax");
  std::string unclosed(1'000'000, 'x');
  unclosed.front() = '"';
  EXPECT_EQ(refused(unclosed).kind(), "json-syntax");
  EXPECT_LT(refused(unclosed).message().size(), 400U);
}

TEST(Json, ReadsAFileAndNamesIt) {
  const test::TemporaryFolder folder;
  write_text(folder / "config.json", R"({"a":[1,2]})", false);
  EXPECT_EQ(read_json(folder / "config.json")["a"][1], 2);
  write_text(folder / "config.json", "{", false);
  const Error error =
      test::error_of([&folder] { static_cast<void>(read_json(folder / "config.json")); });
  EXPECT_EQ(error.place().file, (folder / "config.json").string());
}

TEST(JsonWholeNumber, TakesWholeNumbersInTheirBounds) {
  const nlohmann::json object = parse_json(R"({"one":1,"most":2147483648,"none":null})", "f");
  EXPECT_EQ(optional_whole_number(object, "one", 1, 10, "f"), 1U);
  EXPECT_EQ(optional_whole_number(object, "most", 1, std::uint64_t{1} << 31, "f"), 2147483648U);
  EXPECT_EQ(optional_whole_number(object, "none", 1, 10, "f"), std::nullopt);
  EXPECT_EQ(optional_whole_number(object, "absent", 1, 10, "f"), std::nullopt);
  EXPECT_EQ(optional_whole_number(nlohmann::json{{"made", 3}}, "made", 1, 10, "f"), 3U);
}

TEST(JsonWholeNumber, RefusesEverythingElse) {
  for (const char* const value : {"0", "11", "-1", "-0", "2.0", "2e0", "1e300", "true", "\"2\"",
                                  "[2]", "{}", "18446744073709551616"}) {
    SCOPED_TRACE(value);
    const nlohmann::json object = parse_json(fmt::format(R"({{"n":{}}})", value), "f");
    const Error error = test::error_of(
        [&object] { static_cast<void>(optional_whole_number(object, "n", 1, 10, "f.json")); });
    EXPECT_EQ(error.kind(), "json-field");
    EXPECT_EQ(error.failure(), Failure::kBadInput);
    EXPECT_EQ(error.place().file, "f.json");
    EXPECT_NE(error.message().find("\"n\""), std::string::npos);
  }
  EXPECT_EQ(test::error_of([] {
              static_cast<void>(optional_whole_number(nlohmann::json::array(), "n", 1, 2, "f"));
            }).kind(),
            "json-field");
}

}  // namespace
}  // namespace contourfuse
