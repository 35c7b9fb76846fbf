// Typed reading of a manifest.
#include "fusion/manifest_facts.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

using Json = nlohmann::json;

class Reader {
 public:
  explicit Reader(const std::string& file) : file_(file) {}

  const Json& member(const Json& object, const char* key) const {
    if (object.is_object()) {
      if (const auto found = object.find(key); found != object.end()) return *found;
    }
    refuse(key, "is missing");
  }
  std::string text(const Json& object, const char* key) const {
    const Json& value = member(object, key);
    if (!value.is_string()) refuse(key, "is no string");
    return value.get<std::string>();
  }
  std::uint64_t whole_number(const Json& object, const char* key) const {
    const Json& value = member(object, key);
    if (!value.is_number_unsigned()) refuse(key, "is no whole number");
    return value.get<std::uint64_t>();
  }
  double number(const Json& object, const char* key) const {
    const Json& value = member(object, key);
    if (!value.is_number()) refuse(key, "is no number");
    return value.get<double>();
  }
  const Json& list(const Json& object, const char* key) const {
    const Json& value = member(object, key);
    if (!value.is_array()) refuse(key, "is no list");
    return value;
  }
  std::map<std::string, FileFacts> files(const Json& object, const char* key,
                                         const char* name_key) const {
    std::map<std::string, FileFacts> files;
    for (const Json& file : list(object, key)) {
      FileFacts facts{.bytes = whole_number(file, "bytes"), .hash = text(file, "xxh3_128")};
      if (!files.emplace(text(file, name_key), std::move(facts)).second) {
        refuse(key, "lists a file twice");
      }
    }
    return files;
  }
  std::map<std::string, std::string> hashes(const Json& object, const char* key) const {
    std::map<std::string, std::string> hashes;
    for (const Json& tensor : list(object, key)) {
      if (!hashes.emplace(text(tensor, "name"), text(tensor, "xxh3_128")).second) {
        refuse(key, "lists a tensor twice");
      }
    }
    return hashes;
  }
  template <class Enum, std::size_t count>
  Enum word(const Json& object, const char* key, const std::array<Enum, count>& values) const {
    const std::string given = text(object, key);
    for (const Enum value : values) {
      if (to_string(value) == given) return value;
    }
    refuse(key, "has an unknown value");
  }

 private:
  [[noreturn]] void refuse(const char* key, const char* what) const {
    throw Error(Failure::kFailed, "manifest-damaged",
                fmt::format("the manifest's \"{}\" {}", key, what), Place{.file = file_});
  }

  const std::string& file_;
};

}  // namespace

ManifestFacts read_facts(const Json& manifest, const std::string& file) {
  const Reader reader(file);
  ManifestFacts facts;
  facts.model = reader.text(manifest, "model");
  facts.weights = reader.text(manifest, "weights");
  const Json& base = reader.member(manifest, "base");
  facts.base_folder = reader.text(base, "folder");
  facts.base_shards = reader.files(base, "shards", "file");
  facts.shards = reader.files(manifest, "shards", "name");
  facts.files = reader.files(manifest, "files", "name");
  facts.edited = reader.hashes(manifest, "edited");
  const Json& delta = reader.member(manifest, "delta");
  if (reader.text(delta, "kind") != "recipe") {
    facts.delta_tensors = reader.hashes(delta, "tensors");
  }
  for (const Json& layer : reader.list(manifest, "selected_layers")) {
    facts.layers.push_back(layer.dump());
  }
  const Json& given = reader.member(manifest, "parameters");
  facts.parameters.alpha = reader.number(given, "alpha");
  facts.parameters.gamma_cap = reader.number(given, "gamma_cap");
  facts.parameters.variance_norm =
      reader.word(given, "variance_norm",
                  std::array{VarianceNorm::kMatch, VarianceNorm::kUnit, VarianceNorm::kNone});
  facts.parameters.rounding =
      reader.word(given, "rounding", std::array{Rounding::kNearest, Rounding::kStochastic});
  facts.parameters.rounding_seed = reader.whole_number(given, "rounding_seed");
  facts.parameters.nonfinite =
      reader.word(given, "nonfinite", std::array{NonFinite::kError, NonFinite::kKeep});
  return facts;
}

}  // namespace contourfuse
