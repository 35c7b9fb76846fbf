// Axis values: plain numbers and ranges.
#include "contourfuse/sweep/axes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

constexpr std::size_t kMaxValues = 10'000;

class Axis {
 public:
  Axis(const std::string& name, bool negative_allowed)
      : name_(name), negative_allowed_(negative_allowed) {}

  void add(std::string_view text) {
    if (text.starts_with("log:") || text.starts_with("lin:")) {
      add_range(text);
    } else {
      add_value(number(text, text));
    }
  }
  [[nodiscard]] std::vector<double> values() && {
    if (values_.empty()) refuse("there is no value");
    return std::move(values_);
  }

 private:
  [[noreturn]] void refuse(const std::string& message) const {
    throw Error(Failure::kUsage, "bad-axis", fmt::format("{}: {}", name_, message), {},
                fmt::format("for example {} 0.02 0.1 1, or {} log:0.01:32:16", name_, name_));
  }

  [[nodiscard]] double number(std::string_view text, std::string_view whole) const {
    double value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    constexpr auto kLargest = static_cast<double>(std::numeric_limits<float>::max());
    if (error != std::errc{} || stop != end || !(std::abs(value) <= kLargest)) {
      refuse(fmt::format("\"{}\" is no finite number", whole));
    }
    if (value < 0 && !negative_allowed_) refuse(fmt::format("\"{}\" is negative", whole));
    return value;
  }

  void add_value(double value) {
    if (std::find(values_.begin(), values_.end(), value) != values_.end()) return;
    if (values_.size() == kMaxValues) refuse(fmt::format("more than {} values", kMaxValues));
    values_.push_back(value);
  }

  void add_range(std::string_view text) {
    std::string_view rest = text.substr(4);
    const auto field = [&rest, this, text] {
      const std::size_t colon = std::min(rest.find(':'), rest.size());
      if (colon == 0) refuse(fmt::format("\"{}\" is no range LOW:HIGH:COUNT", text));
      const std::string_view part = rest.substr(0, colon);
      rest.remove_prefix(std::min(colon + 1, rest.size()));
      return part;
    };
    const double low = number(field(), text);
    const double high = number(field(), text);
    const double wanted = number(field(), text);
    const bool logarithmic = text.starts_with("log:");
    if (!rest.empty() || wanted < 1 || wanted > kMaxValues || wanted != std::floor(wanted)) {
      refuse(fmt::format("\"{}\" needs a count from 1 to {}", text, kMaxValues));
    }
    const auto count = static_cast<std::size_t>(wanted);
    if (!(low < high) && !(count == 1 && low == high)) {
      refuse(fmt::format("\"{}\" does not ascend", text));
    }
    if (logarithmic && !(low > 0)) {
      refuse(fmt::format("\"{}\": a logarithmic range begins above 0", text));
    }
    for (std::size_t i = 0; i < count; ++i) add_value(at(low, high, i, count, logarithmic));
  }

  /// Both ends exactly.
  static double at(double low, double high, std::size_t i, std::size_t count, bool logarithmic) {
    if (i == 0) return low;
    if (i + 1 == count) return high;
    const double share = static_cast<double>(i) / static_cast<double>(count - 1);
    return logarithmic ? low * std::pow(high / low, share) : low + (high - low) * share;
  }

  const std::string& name_;
  bool negative_allowed_;
  std::vector<double> values_{};
};

}  // namespace

std::vector<double> parse_axis(const std::string& name, std::span<const std::string> words,
                               bool negative_allowed) {
  Axis axis(name, negative_allowed);
  for (const std::string& word : words) {
    for (std::size_t begin = 0; begin <= word.size();) {
      const std::size_t comma = std::min(word.find(',', begin), word.size());
      axis.add(std::string_view(word).substr(begin, comma - begin));
      begin = comma + 1;
    }
  }
  return std::move(axis).values();
}

}  // namespace contourfuse
