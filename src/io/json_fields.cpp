// Members of JSON objects, taken with their type and bounds checked.
#include "contourfuse/io/json_fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "contourfuse/core/error.hpp"

namespace contourfuse {

JsonFields::JsonFields(const nlohmann::json& object, std::string file, std::string where)
    : object_(&object), file_(std::move(file)), where_(std::move(where)) {
  if (!object.is_object()) refuse("", "is not an object");
}

void JsonFields::allow(std::initializer_list<std::string_view> keys) const {
  for (const auto& member : object_->items()) {
    if (std::find(keys.begin(), keys.end(), member.key()) == keys.end()) {
      throw Error(Failure::kBadInput, "json-unknown-key",
                  fmt::format("the key \"{}\" is not known", path_of(member.key().substr(0, 80))),
                  {.file = file_});
    }
  }
}

bool JsonFields::has(std::string_view key) const { return object_->contains(std::string(key)); }

const nlohmann::json& JsonFields::at(std::string_view key) const {
  const auto member = object_->find(std::string(key));
  if (member == object_->end()) refuse(key, "is missing");
  return *member;
}

JsonFields JsonFields::object(std::string_view key) const { return {at(key), file_, path_of(key)}; }

const nlohmann::json& JsonFields::array(std::string_view key, std::size_t most) const {
  const nlohmann::json& value = at(key);
  if (!value.is_array()) refuse(key, "is not an array");
  if (value.size() > most) refuse(key, fmt::format("has more than {} entries", most));
  return value;
}

JsonFields JsonFields::entry(std::string_view key, std::size_t index) const {
  return {at(key).at(index), file_, fmt::format("{}[{}]", path_of(key), index)};
}

std::uint64_t JsonFields::whole_number(std::string_view key, std::uint64_t low,
                                       std::uint64_t high) const {
  const nlohmann::json& value = at(key);
  if (!value.is_number_unsigned()) refuse(key, "is not a whole number");
  const auto number = value.get<std::uint64_t>();
  if (number < low || number > high) {
    refuse(key, fmt::format("is {}, which is not between {} and {}", number, low, high));
  }
  return number;
}

double JsonFields::number(std::string_view key) const {
  const nlohmann::json& value = at(key);
  if (!value.is_number()) refuse(key, "is not a number");
  const auto number = value.get<double>();
  if (!std::isfinite(number)) refuse(key, "is not finite");
  return number;
}

std::vector<double> JsonFields::numbers(std::string_view key, std::size_t most) const {
  std::vector<double> values;
  for (const nlohmann::json& value : array(key, most)) {
    if (!value.is_number() || !std::isfinite(value.get<double>())) {
      refuse(key, "holds something that is no finite number");
    }
    values.push_back(value.get<double>());
  }
  return values;
}

bool JsonFields::boolean(std::string_view key) const {
  const nlohmann::json& value = at(key);
  if (!value.is_boolean()) refuse(key, "is neither true nor false");
  return value.get<bool>();
}

std::string JsonFields::text(std::string_view key, std::size_t most) const {
  const nlohmann::json& value = at(key);
  if (!value.is_string()) refuse(key, "is not a string");
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() > most) refuse(key, fmt::format("is longer than {} bytes", most));
  return text;
}

void JsonFields::refuse(std::string_view key, std::string_view rule) const {
  const std::string path = path_of(key);
  throw Error(
      Failure::kBadInput, "json-field",
      path.empty() ? fmt::format("the document {}", rule) : fmt::format("\"{}\" {}", path, rule),
      {.file = file_});
}

std::string JsonFields::path_of(std::string_view key) const {
  if (where_.empty()) return std::string(key);
  return key.empty() ? where_ : fmt::format("{}.{}", where_, key);
}

}  // namespace contourfuse
