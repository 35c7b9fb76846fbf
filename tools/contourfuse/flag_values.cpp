// Parsing by std::from_chars: no locale, no octal, no silent overflow.
#include "flag_values.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "contourfuse/core/shape.hpp"

namespace contourfuse {
namespace {

template <class Number>
std::optional<Number> parse(std::string_view text) {
  if (text.size() > 1 && text.front() == '+' && text[1] != '-') text.remove_prefix(1);
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

[[noreturn]] void refuse(const std::string& name, const std::string& text,
                         const std::string& rule) {
  throw CLI::ValidationError(name, "\"" + text + "\" is not " + rule);
}

double parse_number(const std::string& name, const std::string& text, NumberRule rule) {
  const std::optional<double> number = parse<double>(text);
  if (!number || !std::isfinite(*number)) refuse(name, text, "a finite number");
  switch (rule) {
    case NumberRule::kFinite:
      break;
    case NumberRule::kNonNegative:
      if (*number < 0 || *number > static_cast<double>(std::numeric_limits<float>::max())) {
        refuse(name, text, "a number from 0 to 3.4e38");
      }
      break;
    case NumberRule::kNonZeroFloat32: {
      const bool fits = std::abs(*number) <= static_cast<double>(std::numeric_limits<float>::max());
      if (!fits || static_cast<float>(*number) == 0.0F) {
        refuse(name, text, "a number other than 0 that a 32-bit float holds");
      }
      break;
    }
  }
  return *number;
}

}  // namespace

CLI::Option* add_whole_number(CLI::App& app, const std::string& name,
                              std::function<void(std::uint64_t)> store,
                              const std::string& description, std::uint64_t low,
                              std::uint64_t high) {
  const auto take = [name, low, high, store = std::move(store)](const std::string& text) {
    const auto number = parse<std::uint64_t>(text);
    if (!number || *number < low || *number > high) {
      refuse(name, text,
             "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
    }
    store(*number);
  };
  return app.add_option_function<std::string>(name, take, description)->type_name("N");
}

CLI::Option* add_number(CLI::App& app, const std::string& name, NumberRule rule,
                        std::function<void(double)> store, const std::string& description) {
  const auto take = [name, rule, store = std::move(store)](const std::string& text) {
    store(parse_number(name, text, rule));
  };
  return app.add_option_function<std::string>(name, take, description)->type_name("X");
}

Fraction parse_fraction(const std::string& name, const std::string& text) {
  const std::string rule = "a fraction of whole numbers such as 1/64, above 0";
  Fraction fraction;
  if (const auto slash = text.find('/'); slash != std::string::npos) {
    const auto numerator = parse<std::uint64_t>(text.substr(0, slash));
    const auto denominator = parse<std::uint64_t>(text.substr(slash + 1));
    if (!numerator || !denominator) refuse(name, text, rule);
    fraction = {*numerator, *denominator};
  } else {
    // "0.25" is 25/100; ten digits are more than any dimension needs.
    const auto point = text.find('.');
    const std::string digits =
        point == std::string::npos ? text : text.substr(0, point) + text.substr(point + 1);
    const std::size_t decimals = point == std::string::npos ? 0 : text.size() - point - 1;
    const auto numerator = parse<std::uint64_t>(digits);
    if (!numerator || decimals > 10) refuse(name, text, rule);
    fraction.numerator = *numerator;
    for (std::size_t i = 0; i < decimals; ++i) fraction.denominator *= 10;
  }
  if (fraction.numerator == 0 || fraction.denominator == 0) refuse(name, text, rule);
  return fraction;
}

std::uint64_t parse_size(const std::string& name, const std::string& text) {
  struct Unit {
    std::string_view name;
    std::uint64_t bytes;
  };
  constexpr std::array<Unit, 10> kUnits{{{"", 1},
                                         {"B", 1},
                                         {"kB", 1000},
                                         {"KB", 1000},
                                         {"MB", 1'000'000},
                                         {"GB", 1'000'000'000},
                                         {"TB", 1'000'000'000'000},
                                         {"KiB", 1ULL << 10},
                                         {"MiB", 1ULL << 20},
                                         {"GiB", 1ULL << 30}}};
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  std::string_view unit = std::string_view(text).substr(digits);
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  if (const auto number = parse<std::uint64_t>(text.substr(0, digits)); number && *number > 0) {
    for (const Unit& known : kUnits) {
      if (known.name != unit) continue;
      if (const auto bytes = checked_multiply(*number, known.bytes)) return *bytes;
    }
  }
  refuse(name, text, "a size such as 2GB, 500MB or 1GiB");
}

}  // namespace contourfuse
