// Strict reading of the objects in a JSON document.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace contourfuse {

/// One JSON object of `file` whose members are checked as they are taken. Every refusal is
/// Error{kBadInput, "json-field"} or "json-unknown-key" and says where: "layers[3].cells".
class JsonFields {
 public:
  /// `where` is the path of the object inside the file, empty at the root.
  JsonFields(const nlohmann::json& object, std::string file, std::string where);

  /// Refuses members other than these.
  void allow(std::initializer_list<std::string_view> keys) const;
  [[nodiscard]] bool has(std::string_view key) const;
  [[nodiscard]] const nlohmann::json& at(std::string_view key) const;
  [[nodiscard]] JsonFields object(std::string_view key) const;
  /// An array of at most `most` entries.
  [[nodiscard]] const nlohmann::json& array(std::string_view key, std::size_t most) const;
  [[nodiscard]] JsonFields entry(std::string_view key, std::size_t index) const;

  [[nodiscard]] std::uint64_t whole_number(std::string_view key, std::uint64_t low,
                                           std::uint64_t high) const;
  /// A finite number.
  [[nodiscard]] double number(std::string_view key) const;
  [[nodiscard]] std::vector<double> numbers(std::string_view key, std::size_t most) const;
  [[nodiscard]] bool boolean(std::string_view key) const;
  /// At most `most` bytes.
  [[nodiscard]] std::string text(std::string_view key, std::size_t most) const;

  [[noreturn]] void refuse(std::string_view key, std::string_view rule) const;
  [[nodiscard]] const std::string& file() const noexcept { return file_; }

 private:
  [[nodiscard]] std::string path_of(std::string_view key) const;

  const nlohmann::json* object_;
  std::string file_;
  std::string where_;
};

}  // namespace contourfuse
