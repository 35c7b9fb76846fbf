// Banks: from families files, as files, as JSON, and hostile ones.
#include "contourfuse/neuron/bank.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/safetensors.hpp"
#include "support/temporary_folder.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

class Bank : public testing::Test {
 protected:
  fs::path write(const std::string& name, const std::string& text) {
    folder_.write(name, text);
    return folder_ / name;
  }

  static std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  test::TemporaryFolder folder_{};
};

// The kind of the Error that `call` throws.
std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.failure(), Failure::kBadInput);
    EXPECT_FALSE(error.place().file.empty()) << error.what();
    return error.kind();
  }
  return "accepted";
}

void expect_equal(const NeuronBank& a, const NeuronBank& b) {
  EXPECT_EQ(a.activation, b.activation);
  ASSERT_EQ(a.sources.size(), b.sources.size());
  for (std::size_t i = 0; i < a.sources.size(); ++i) {
    EXPECT_EQ(a.sources[i].name, b.sources[i].name);
    EXPECT_EQ(a.sources[i].kind, b.sources[i].kind);
    EXPECT_EQ(a.sources[i].function.knots(), b.sources[i].function.knots());
    EXPECT_EQ(a.sources[i].function.slopes(), b.sources[i].function.slopes());
    EXPECT_EQ(a.sources[i].gains, b.sources[i].gains);
    EXPECT_EQ(a.sources[i].coefficients, b.sources[i].coefficients);
    EXPECT_EQ(a.sources[i].fit_error, b.sources[i].fit_error);
  }
}

TEST_F(Bank, FileKeepsEverything) {
  NeuronBank bank = make_default_bank(Activation::kSilu, 4);
  bank.sources[1].kind = LayerUse::kSliding;
  bank.derivative_weight = 0.02;
  write_bank(bank, folder_ / "bank.safetensors", Durability::kNone);
  const NeuronBank read_back = read_bank(folder_ / "bank.safetensors");
  expect_equal(bank, read_back);
  EXPECT_EQ(read_back.derivative_weight, 0.02);
  EXPECT_EQ(read_back.ridge, bank.ridge);
  EXPECT_EQ(read_back.sources[2].storage_error, bank.sources[2].storage_error);
  const SafetensorsHeader header = read_safetensors_header(folder_ / "bank.safetensors");
  EXPECT_EQ(header.find("knots")->shape, (Shape{6, 2}));
  EXPECT_EQ(header.find("slopes")->dtype, DType::kF64);
  EXPECT_EQ(header.find("coefficients")->shape, (Shape{6, 4}));
}

TEST_F(Bank, JsonKeepsEverythingButTheStorageError) {
  const NeuronBank bank = make_default_bank(Activation::kGeluTanh, 8);
  const std::string text = bank_sources_to_json(bank).dump();
  const NeuronBank back =
      bank_from_json(nlohmann::json::parse(text), Activation::kGeluTanh, "delta.json");
  expect_equal(bank, back);
}

TEST_F(Bank, OnlyFourAndEightGainsHaveDefaults) {
  for (const std::uint64_t k : {0U, 1U, 6U, 16U}) {
    try {
      static_cast<void>(make_default_bank(Activation::kSilu, k));
      ADD_FAILURE() << k << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.failure(), Failure::kUsage);
      EXPECT_THAT(error.hint(), testing::HasSubstr("4 and 8"));
    }
  }
}

TEST_F(Bank, FamiliesFileGivesItsSources) {
  const fs::path file = write("families.json", R"({"schema":"contourfuse.families/1","sources":[
    {"family":"hardtanh","parameters":[2],"kind":"global"},
    {"family":"linear","name":"identity"},
    {"name":"mine","knots":[1],"slopes":[1,0.5]},
    {"name":"line","knots":[-1,1],"slopes":[0,1,0],"value_at_zero":0,"kind":"sliding"}]})");
  const NeuronBank bank = make_bank(Activation::kGeluTanh, 8, file, false);
  ASSERT_EQ(bank.sources.size(), 4U);
  EXPECT_EQ(bank.sources[0].name, "hardtanh(2)");
  EXPECT_EQ(bank.sources[0].kind, LayerUse::kGlobal);
  EXPECT_EQ(bank.sources[1].name, "identity");
  EXPECT_EQ(bank.sources[1].kind, LayerUse::kBoth);
  EXPECT_EQ(bank.sources[2].function(3), 2);
  EXPECT_EQ(bank.sources[3].function(3), 1);
  EXPECT_EQ(bank.sources[3].kind, LayerUse::kSliding);
  for (const SourceNeuron& s : bank.sources) EXPECT_LT(s.fit_error, 0.06) << s.name;
}

TEST_F(Bank, EvenPartIsRefusedOrDropped) {
  const fs::path file = write("relu.json", R"({"schema":"contourfuse.families/1","sources":[
    {"name":"relu","knots":[0],"slopes":[0,1],"value_at_zero":0}]})");
  try {
    static_cast<void>(make_bank(Activation::kSilu, 8, file, false));
    FAIL() << "an even part was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), "even-part");
    EXPECT_THAT(error.message(), testing::HasSubstr("mean"));
    EXPECT_THAT(error.hint(), testing::HasSubstr("--drop-even-part"));
  }
  const NeuronBank bank = make_bank(Activation::kSilu, 8, file, true);
  EXPECT_EQ(bank.sources[0].function(2), 1);
}

TEST_F(Bank, BadFamiliesFilesAreRefused) {
  const auto kind_of = [&](const std::string& sources) {
    const fs::path file =
        write("bad.json", R"({"schema":"contourfuse.families/1","sources":)" + sources + "}");
    return refusal([&] { static_cast<void>(make_bank(Activation::kSilu, 8, file, false)); });
  };
  EXPECT_EQ(kind_of(R"([{"family":"linear"}])"), "accepted");
  EXPECT_EQ(kind_of("[]"), "bad-bank");
  EXPECT_EQ(kind_of("{}"), "json-field");
  EXPECT_EQ(kind_of("[1]"), "json-field");
  EXPECT_EQ(kind_of(R"([{"family":"staircase"}])"), "bad-family");
  EXPECT_EQ(kind_of(R"([{"family":"linear","slope":2}])"), "json-unknown-key");
  EXPECT_EQ(kind_of(R"([{"family":"linear","kind":"local"}])"), "bad-bank");
  EXPECT_EQ(kind_of(R"([{"name":"a","knots":[2,1],"slopes":[1,2,3]}])"), "bad-source-neuron");
  EXPECT_EQ(kind_of(R"([{"name":"a","knots":[],"slopes":[0]}])"), "bad-source-neuron");
  EXPECT_EQ(kind_of(R"([{"name":"a","knots":["x"],"slopes":[0,1]}])"), "json-field");
  EXPECT_EQ(kind_of(R"([{"knots":[],"slopes":[1]}])"), "json-field");
}

TEST_F(Bank, HostileJsonIsRefused) {
  const nlohmann::json good =
      nlohmann::json::parse(bank_sources_to_json(make_default_bank(Activation::kSilu, 4)).dump());
  const auto kind_of = [&](const std::function<void(nlohmann::json&)>& harm) {
    nlohmann::json sources = good;
    harm(sources);
    return refusal(
        [&] { static_cast<void>(bank_from_json(sources, Activation::kSilu, "delta.json")); });
  };
  EXPECT_EQ(kind_of([](auto&) {}), "accepted");
  EXPECT_EQ(kind_of([](auto& s) { s = nlohmann::json::array(); }), "bad-bank");
  EXPECT_EQ(kind_of([](auto& s) { s = "x"; }), "json-field");
  EXPECT_EQ(kind_of([](auto& s) { s[0]["coefficients"][0] = 0.1; }), "json-field");
  EXPECT_EQ(kind_of([](auto& s) { s[0]["coefficients"][0] = 1.001953125; }), "bad-bank");
  EXPECT_EQ(kind_of([](auto& s) { s[0]["coefficients"][0] = std::ldexp(1.0, 40); }), "bad-bank");
  EXPECT_EQ(kind_of([](auto& s) { s[0]["coefficients"].push_back(1); }), "bad-bank");
  EXPECT_EQ(kind_of([](auto& s) { s[1]["gains"][0] = 0.75; }), "bad-bank");
  EXPECT_EQ(kind_of([](auto& s) { s[1]["gains"][0] = -1; }), "bad-bank");
  EXPECT_EQ(kind_of([](auto& s) { s[1]["gains"][1] = s[1]["gains"][0]; }), "bad-bank");
  EXPECT_EQ(kind_of([](auto& s) { s[1]["gains"] = nlohmann::json::array(); }), "bad-bank");
  EXPECT_EQ(kind_of([](auto& s) { s[2]["fit_error"] = -0.1; }), "bad-bank");
  EXPECT_EQ(kind_of([](auto& s) { s[2]["fit_error"] = nullptr; }), "json-field");
  EXPECT_EQ(kind_of([](auto& s) { s[2]["extra"] = 1; }), "json-unknown-key");
  EXPECT_EQ(kind_of([](auto& s) { s[2].erase("kind"); }), "json-field");
  EXPECT_EQ(kind_of([](auto& s) { s[2]["slopes"].push_back(1); }), "bad-source-neuron");
  EXPECT_EQ(kind_of([](auto& s) { s[2]["name"] = std::string(300, 'x'); }), "json-field");
}

TEST_F(Bank, HostileFilesAreRefused) {
  const NeuronBank bank = make_default_bank(Activation::kSilu, 4);
  const fs::path good = folder_ / "good.safetensors";
  write_bank(bank, good, Durability::kNone);
  const std::string bytes = read(good);
  const auto kind_of = [&](const std::string& from, const std::string& to) {
    std::string changed = bytes;
    const std::size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    EXPECT_EQ(from.size(), to.size());
    changed.replace(at, from.size(), to);
    const fs::path file = write("bad.safetensors", changed);
    return refusal([&] { static_cast<void>(read_bank(file)); });
  };
  EXPECT_EQ(kind_of("contourfuse.bank/1", "contourfuse.bank/2"), "bad-bank");
  EXPECT_EQ(kind_of("\"gains\"", "\"pains\""), "bad-bank");
  EXPECT_EQ(kind_of("\"lambda\"", "\"lambdo\""), "bad-bank");
  EXPECT_EQ(kind_of("\"silu\"", "\"relu\""), "unknown-activation");
  EXPECT_EQ(kind_of("[6,4]", "[4,6]"), "bad-bank");
  // The last coefficient loses its low bits' zeros.
  std::string changed = bytes;
  changed[changed.size() - 4] = '\x01';
  EXPECT_EQ(refusal([&] { static_cast<void>(read_bank(write("k.safetensors", changed))); }),
            "bad-bank");
  EXPECT_NE(
      refusal([&] { static_cast<void>(read_bank(write("t.safetensors", bytes.substr(0, 99)))); }),
      "accepted");
}

}  // namespace
}  // namespace contourfuse
