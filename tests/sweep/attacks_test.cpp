// Every file of attacks/ breaks one rule of a plan, a part or a probe, and is refused for it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "contourfuse/io/file.hpp"
#include "contourfuse/io/json.hpp"
#include "contourfuse/sweep/part.hpp"
#include "contourfuse/sweep/probe.hpp"
#include "io/attack_folder.hpp"
#include "support/error_of.hpp"
#include "sweep/plan_document.hpp"
#include "sweep/small_plan.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) { return read_text(path, kMaxJsonBytes); }

TEST(Attacks, OnAPlanAreRefused) {
  test::expect_refusals(
      "sweep/attacks/plan",
      {"json-bom", "json-not-utf8", "json-syntax", "json-duplicate-key", "json-too-deep",
       "json-field", "json-unknown-key"},
      [](const fs::path& path) { static_cast<void>(parse_plan(text_of(path), path.string())); });
}

TEST(Attacks, WithOneValueTooManyAreRefused) {
  for (const char* const axis : {"alphas", "gammas"}) {
    nlohmann::json document = nlohmann::json::parse(plan_text(test::small_plan()));
    document[axis] = std::vector<int>(1'000'001);
    const Error error =
        test::error_of([&] { static_cast<void>(parse_plan(document.dump(), "plan.json")); });
    EXPECT_EQ(error.message(), '"' + std::string(axis) + "\" has more than 1000000 entries");
  }
}

TEST(Attacks, OnAPartAreRefused) {
  const SweepPlan plan = test::small_plan();
  const std::string digest = plan_digest(plan);
  test::expect_refusals(
      "sweep/attacks/part",
      {"json-bom", "json-not-utf8", "json-syntax", "json-duplicate-key", "json-too-deep",
       "json-field", "part-damaged"},
      [&](const fs::path& path) {
        const std::string body = text_of(path);
        const bool as_it_is = path.extension() == ".raw";
        static_cast<void>(
            parse_part(as_it_is ? body : test::sealed_part(body, digest), path.string(), plan, 0));
      });
}

// What makes no point before a list has shown that there are as many.
TEST(Attacks, WithAPlanOfManyPointsCostNoMemory) {
  SweepPlan plan = test::small_plan();
  plan.settings.alphas.assign(1'000'000, 1);
  plan.settings.gammas.assign(1'000'000, 1);
  const std::string text = R"({"schema":"contourfuse.sweep.part/1","plan":"PLAN","task":0,)"
                           R"("layers":[{"gate":null,"down":null,"output":{"values":1,"base2":1,)"
                           R"("norm_base2":null,"change2":[1]}},{}]})";
  const Error error = test::error_of([&] {
    static_cast<void>(parse_part(test::sealed_part(text, plan_digest(plan)), "0.json", plan, 0));
  });
  EXPECT_EQ(error.message(), "\"layers[0].output.change2\" has too few entries");
}

TEST(Attacks, OnAProbeAreRefused) {
  test::expect_refusals(
      "sweep/attacks/probe",
      {"file-too-short", "not-contiguous", "probe-missing-layer", "probe-shape", "probe-dtype",
       "probe-non-finite"},
      [](const fs::path& path) { static_cast<void>(ProbeFile(path).rows(0, 4)); });
}

}  // namespace
}  // namespace contourfuse
