// The header's JSON, event by event straight into TensorInfo.
#include "safetensors_parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "json_sax.hpp"
#include "utf8.hpp"

namespace contourfuse {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr int kDeepestNesting = 3;  // header, tensor, shape

[[noreturn]] void refuse(const std::string& file, const char* kind, std::string message,
                         std::string tensor, std::uint64_t begin, std::uint64_t end) {
  throw Error(Failure::kBadInput, kind, std::move(message),
              Place{.file = file,
                    .tensor = std::move(tensor),
                    .bytes = ByteRange{kLengthBytes + begin, kLengthBytes + end}});
}

// Ahead of the grammar, so that an endless row of brackets is told as what it is wherever it
// stands.
void check_depth(std::string_view text, const std::string& file) {
  int depth = 0;
  bool in_string = false;
  std::uint64_t string_begin = 0;
  std::string_view name;  // the latest string of the outermost object: the tensor at hand
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
        if (depth == 1) name = text.substr(string_begin, i - string_begin);
      }
    } else if (c == '"') {
      in_string = true;
      string_begin = i + 1;
    } else if (c == '{' || c == '[') {
      if (++depth > kDeepestNesting) {
        refuse(file, "header-too-deep",
               fmt::format("the header is nested deeper than {} levels", kDeepestNesting),
               name == kMetadataKey ? std::string{} : std::string(name), i, i + 1);
      }
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
}

class HeaderHandler {
 public:
  HeaderHandler(const std::string& file, const JsonPosition& position)
      : file_(file), position_(position) {}

  [[nodiscard]] ParsedHeader take() { return std::move(parsed_); }

  bool null() { return put_other("null"); }
  bool boolean(bool value) { return put_other(value ? "true" : "false"); }
  // nlohmann calls this for a number that begins with a minus sign, -0 included.
  bool number_integer(Json::number_integer_t value) {
    return put_other(value == 0 ? "-0" : fmt::format("the negative {}", value));
  }
  bool number_unsigned(Json::number_unsigned_t value) { return put_number(value); }
  bool number_float(Json::number_float_t /*value*/, const std::string& text) {
    const bool only_digits = text.find_first_not_of("-0123456789") == std::string::npos;
    return put_other(shortened(text, 40) +
                     (only_digits ? ", which is too large" : ", which is not a whole number"));
  }
  bool string(std::string& value) { return put_string(value); }
  bool binary(Json::binary_t& /*value*/) { return false; }  // no such thing in text

  bool start_object(std::size_t /*elements*/) {
    switch (level_) {
      case Level::kDocument:
        return enter(Level::kHeader);
      case Level::kHeader:
        return enter(in_metadata_ ? Level::kMetadata : Level::kTensor);
      default:
        return put_other("an object");
    }
  }

  bool start_array(std::size_t /*elements*/) {
    if (level_ == Level::kTensor && field_ == Field::kShape) return enter(Level::kShape);
    if (level_ == Level::kTensor && field_ == Field::kOffsets) return enter(Level::kOffsets);
    return put_other("an array");
  }

  bool end_array() {
    if (level_ == Level::kOffsets && offsets_seen_ != 2) bad_field("holds fewer than two numbers");
    level_ = Level::kTensor;
    return mark();
  }

  bool end_object() {
    if (level_ == Level::kTensor) {
      for (std::size_t i = 0; i < kFieldNames.size(); ++i) {
        if (!seen_[i]) {
          refuse_here("bad-field", fmt::format("the field \"{}\" is missing", kFieldNames[i]),
                      entry_begin_);
        }
      }
      parsed_.entries.push_back({kLengthBytes + entry_begin_, kLengthBytes + position_.bytes()});
    }
    level_ = level_ == Level::kHeader ? Level::kDocument : Level::kHeader;
    in_entry_ = false;
    return mark();
  }

  bool key(std::string& name) {
    switch (level_) {
      case Level::kTensor:
        return begin_field(name);
      case Level::kMetadata:
        metadata_key_ = std::move(name);
        return mark();
      default:
        return begin_entry(name);
    }
  }

  bool parse_error(std::size_t at, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) {
    if (error.id == kJsonNumberOutOfRange) return put_other("a number that is too large");
    const std::uint64_t begin = at > 0 ? at - 1 : 0;
    refuse(file_, "header-not-json",
           "the header is not a JSON object: " + json_reason(error.what()), tensor_name(), begin,
           std::max<std::uint64_t>(begin, position_.bytes()));
  }

 private:
  enum class Level { kDocument, kHeader, kMetadata, kTensor, kShape, kOffsets };
  enum class Field { kDtype, kShape, kOffsets };
  static constexpr std::array<std::string_view, 3> kFieldNames{"dtype", "shape", "data_offsets"};

  bool mark() {
    event_end_ = position_.bytes();
    return true;
  }

  // Where the token at hand begins.
  [[nodiscard]] std::uint64_t token_begin() const { return position_.token_after(event_end_); }

  bool enter(Level level) {
    level_ = level;
    return mark();
  }

  [[nodiscard]] std::string tensor_name() const {
    const bool inside = level_ == Level::kTensor || level_ == Level::kShape ||
                        level_ == Level::kOffsets || (level_ == Level::kHeader && in_entry_);
    return inside && !in_metadata_ ? parsed_.tensors.back().name : std::string{};
  }

  [[noreturn]] void refuse_here(const char* kind, std::string message, std::uint64_t begin) const {
    refuse(file_, kind, std::move(message), tensor_name(), begin,
           std::max(begin, position_.bytes()));
  }

  [[noreturn]] void bad_field(const std::string& fault) const {
    refuse_here(
        "bad-field",
        fmt::format("the field \"{}\" {}", kFieldNames[static_cast<std::size_t>(field_)], fault),
        token_begin());
  }

  [[noreturn]] void bad_metadata(const std::string& found) const {
    refuse_here("bad-metadata",
                level_ == Level::kMetadata
                    ? fmt::format("\"__metadata__\" must map strings to strings, but \"{}\" is {}",
                                  shortened(metadata_key_), found)
                    : fmt::format("\"__metadata__\" must be an object, not {}", found),
                token_begin());
  }

  bool begin_entry(std::string& name) {
    in_metadata_ = name == kMetadataKey;
    in_entry_ = true;
    entry_begin_ = token_begin();
    if (in_metadata_) {
      if (metadata_seen_) {
        refuse_here("duplicate-key", "the key \"__metadata__\" stands twice", token_begin());
      }
      metadata_seen_ = true;
    } else {
      parsed_.tensors.push_back({.name = std::move(name)});
      seen_ = {};
      offsets_seen_ = 0;
    }
    return mark();
  }

  bool begin_field(const std::string& name) {
    const auto* const known = std::ranges::find(kFieldNames, name);
    if (known == kFieldNames.end()) {
      refuse_here("bad-field",
                  fmt::format("the field \"{}\" is extra: a tensor has dtype, shape and "
                              "data_offsets and nothing else",
                              shortened(name)),
                  token_begin());
    }
    const auto index = static_cast<std::size_t>(known - kFieldNames.begin());
    if (seen_[index]) {
      refuse_here("duplicate-key", fmt::format("the field \"{}\" stands twice", name),
                  token_begin());
    }
    seen_[index] = true;
    field_ = static_cast<Field>(index);
    return mark();
  }

  bool put_number(std::uint64_t value) {
    TensorInfo* const tensor =
        level_ == Level::kShape || level_ == Level::kOffsets ? &parsed_.tensors.back() : nullptr;
    if (tensor == nullptr) return put_other("a number");
    if (level_ == Level::kShape) {
      tensor->shape.push_back(value);
    } else {
      if (offsets_seen_ == 2) bad_field("holds more than two numbers");
      (offsets_seen_ == 0 ? tensor->begin : tensor->end) = value;
      ++offsets_seen_;
    }
    return mark();
  }

  bool put_string(std::string& value) {
    if (level_ == Level::kMetadata) {
      const auto [entry, inserted] =
          parsed_.metadata.try_emplace(std::move(metadata_key_), std::move(value));
      if (!inserted) {
        refuse_here("duplicate-key",
                    fmt::format("the metadata key \"{}\" stands twice", shortened(entry->first)),
                    token_begin());
      }
      return mark();
    }
    if (level_ != Level::kTensor || field_ != Field::kDtype) return put_other("a string");
    const std::optional<DType> dtype = parse_dtype(value);
    if (!dtype) {
      refuse_here("unknown-dtype", fmt::format("\"{}\" is no known dtype", shortened(value)),
                  token_begin());
    }
    parsed_.tensors.back().dtype = *dtype;
    return mark();
  }

  // A value of a kind that never stands where it stands.
  bool put_other(const std::string& found) {
    switch (level_) {
      case Level::kDocument:
        refuse_here("header-not-json", "the header must be a JSON object, not " + found, 0);
      case Level::kMetadata:
        bad_metadata(found);
      case Level::kHeader:
        if (in_metadata_) bad_metadata(found);
        refuse_here("bad-field",
                    "a tensor must be an object with dtype, shape and data_offsets, "
                    "not " +
                        found,
                    entry_begin_);
      case Level::kTensor:
        bad_field(fmt::format("must be {}, not {}",
                              field_ == Field::kDtype ? "a string" : "an array of whole numbers",
                              found));
      case Level::kShape:
      case Level::kOffsets:
        bad_field("must hold whole numbers from 0 to 2^64 - 1 only, not " + found);
    }
    return false;
  }

  const std::string& file_;
  const JsonPosition& position_;
  ParsedHeader parsed_{};
  Level level_ = Level::kDocument;
  Field field_ = Field::kDtype;
  std::array<bool, kFieldNames.size()> seen_{};  // of the tensor at hand
  int offsets_seen_ = 0;
  bool in_entry_ = false;  // between a key of the header and the end of its value
  bool in_metadata_ = false;
  bool metadata_seen_ = false;
  std::string metadata_key_{};
  std::uint64_t entry_begin_ = 0;
  std::uint64_t event_end_ = 0;
};

}  // namespace

ParsedHeader parse_header_text(std::string_view text, const std::string& file) {
  if (const auto invalid = find_invalid_utf8(text)) {
    refuse(file, "header-not-utf8", "the header is not UTF-8", {}, *invalid, *invalid + 1);
  }
  if (!text.starts_with('{')) {
    refuse(file, "header-not-json", "the header is not a JSON object: it must begin with {", {}, 0,
           std::min<std::uint64_t>(text.size(), 1));
  }
  // nlohmann takes a NUL byte for the end of the text.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    refuse(file, "header-not-json", "the header is not a JSON object: it holds a NUL byte", {}, nul,
           nul + 1);
  }
  check_depth(text, file);
  JsonPosition position(text);
  HeaderHandler handler(file, position);
  // Not strict: JSON lets tabs and line ends follow, the format lets spaces only.
  Json::sax_parse(position.begin(), position.end(), &handler, Json::input_format_t::json, false);
  const std::size_t after = text.find_first_not_of(' ', position.bytes());
  if (after != std::string_view::npos) {
    refuse(file, "header-not-json", "only spaces may follow the header's JSON object", {}, after,
           text.size());
  }
  return handler.take();
}

}  // namespace contourfuse
