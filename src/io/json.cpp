// A JSON document built from nlohmann's events, refusing what nlohmann lets pass.
#include "contourfuse/io/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "contourfuse/core/error.hpp"
#include "contourfuse/io/file.hpp"
#include "json_sax.hpp"
#include "utf8.hpp"

namespace contourfuse {
namespace {

using Json = nlohmann::json;

class DocumentBuilder {
 public:
  DocumentBuilder(const std::string& file, const JsonPosition& position)
      : file_(file), position_(position) {}

  [[nodiscard]] Json take() { return std::move(root_); }

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(Json::number_integer_t value) { return put(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return put(value); }
  bool number_float(Json::number_float_t value, const std::string& /*text*/) { return put(value); }
  bool string(std::string& value) { return put(std::move(value)); }
  bool binary(Json::binary_t& /*value*/) { return false; }  // no such thing in text

  bool start_object(std::size_t /*elements*/) { return descend(Json::object()); }
  bool end_object() { return ascend(); }
  bool start_array(std::size_t /*elements*/) { return descend(Json::array()); }
  bool end_array() { return ascend(); }

  bool key(std::string& name) {
    const auto [member, inserted] = open_.back()->emplace(name, nullptr);
    if (!inserted) {
      refuse("json-duplicate-key", fmt::format("the key \"{}\" stands twice", shortened(name)));
    }
    member_ = &*member;
    mark();
    return true;
  }

  bool parse_error(std::size_t at, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) {
    refuse_between(at > 0 ? at - 1 : 0, "json-syntax",
                   error.id == kJsonNumberOutOfRange
                       ? "a number is too large"
                       : "not valid JSON: " + json_reason(error.what()));
  }

 private:
  void mark() { event_end_ = position_.bytes(); }

  // Refuses the token at hand.
  [[noreturn]] void refuse(const char* kind, std::string message) const {
    refuse_between(position_.token_after(event_end_), kind, std::move(message));
  }

  [[noreturn]] void refuse_between(std::uint64_t begin, const char* kind,
                                   std::string message) const {
    throw Error(Failure::kBadInput, kind, std::move(message),
                {.file = file_, .bytes = ByteRange{begin, std::max(position_.bytes(), begin)}});
  }

  Json* place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (open_.back()->is_object()) {
      *member_ = std::move(value);
      return member_;
    }
    open_.back()->push_back(std::move(value));
    return &open_.back()->back();
  }

  bool put(Json value) {
    place(std::move(value));
    mark();
    return true;
  }

  bool descend(Json container) {
    if (open_.size() >= static_cast<std::size_t>(kMaxJsonDepth)) {
      refuse("json-too-deep", fmt::format("nested deeper than {} levels", kMaxJsonDepth));
    }
    // A container's address is stable while it is open: nothing is added beside it.
    open_.push_back(place(std::move(container)));
    mark();
    return true;
  }

  bool ascend() {
    open_.pop_back();
    mark();
    return true;
  }

  const std::string& file_;
  const JsonPosition& position_;
  Json root_{};
  std::vector<Json*> open_{};
  Json* member_ = nullptr;  // the value of the latest key, inside open_.back()
  std::uint64_t event_end_ = 0;
};

[[noreturn]] void refuse_at(const char* kind, const char* message, const std::string& file,
                            std::uint64_t begin, std::uint64_t end) {
  throw Error(Failure::kBadInput, kind, message,
              Place{.file = file, .bytes = ByteRange{begin, end}});
}

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& file) {
  if (text.starts_with("\xEF\xBB\xBF")) {
    refuse_at("json-bom", "starts with a byte order mark", file, 0, 3);
  }
  if (const auto invalid = find_invalid_utf8(text)) {
    refuse_at("json-not-utf8", "not UTF-8", file, *invalid, *invalid + 1);
  }
  // nlohmann takes a NUL byte for the end of the text.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    refuse_at("json-syntax", "not valid JSON: a NUL byte", file, nul, nul + 1);
  }
  JsonPosition position(text);
  DocumentBuilder builder(file, position);
  Json::sax_parse(position.begin(), position.end(), &builder);
  return builder.take();
}

nlohmann::json read_json(const std::filesystem::path& path) {
  return parse_json(read_text(path, kMaxJsonBytes), path.string());
}

std::optional<std::uint64_t> optional_whole_number(const nlohmann::json& object,
                                                   std::string_view key, std::uint64_t low,
                                                   std::uint64_t high, const std::string& file) {
  const auto refuse = [&](const std::string& found) {
    throw Error(Failure::kBadInput, "json-field",
                fmt::format("\"{}\" must be a whole number from {} to {}, not {}", key, low, high,
                            shortened(found)),
                Place{.file = file});
  };
  if (!object.is_object()) {
    throw Error(Failure::kBadInput, "json-field",
                fmt::format("\"{}\" is looked for in what is not an object", key),
                Place{.file = file});
  }
  const auto member = object.find(key);
  if (member == object.end() || member->is_null()) return std::nullopt;
  // From a text, a signed number had a minus sign: "-0" is not a whole number here either.
  if (!member->is_number_integer() ||
      (!member->is_number_unsigned() && member->get<std::int64_t>() <= 0)) {
    refuse(member->is_structured() ? std::string(member->type_name()) : member->dump());
  }
  const auto value = member->get<std::uint64_t>();
  if (value < low || value > high) refuse(std::to_string(value));
  return value;
}

}  // namespace contourfuse
