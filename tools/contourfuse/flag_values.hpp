// Values of flags: numbers that are what they look like, checked where they are parsed.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

namespace contourfuse {

inline constexpr std::uint64_t kNoUpperLimit = std::numeric_limits<std::uint64_t>::max();

/// A decimal whole number in [low, high]; no other base, no sign but '+'.
CLI::Option* add_whole_number(CLI::App& app, const std::string& name,
                              std::function<void(std::uint64_t)> store,
                              const std::string& description, std::uint64_t low = 0,
                              std::uint64_t high = kNoUpperLimit);

enum class NumberRule {
  kFinite,
  kNonNegative,     ///< finite in f32 and at least 0
  kNonZeroFloat32,  ///< finite and not 0 in f32
};

/// A finite number by a rule.
CLI::Option* add_number(CLI::App& app, const std::string& name, NumberRule rule,
                        std::function<void(double)> store, const std::string& description);

/// One word of a list, stored as the value beside it.
template <class Value>
CLI::Option* add_choice(CLI::App& app, const std::string& name, Value& target,
                        std::vector<std::pair<std::string, Value>> choices,
                        const std::string& description) {
  std::string words;
  for (const auto& [word, value] : choices) words += (words.empty() ? "" : "|") + word;
  return app
      .add_option_function<std::string>(
          name,
          [name, words, choices = std::move(choices), &target](const std::string& text) {
            for (const auto& [word, value] : choices) {
              if (word != text) continue;
              target = value;
              return;
            }
            throw CLI::ValidationError(name, "\"" + text + "\" is none of " + words);
          },
          description)
      ->type_name(words);
}

/// "1/64", "1" or "0.25" as a fraction of whole numbers. Throws CLI::ValidationError.
struct Fraction {
  std::uint64_t numerator = 1;
  std::uint64_t denominator = 1;
};
[[nodiscard]] Fraction parse_fraction(const std::string& name, const std::string& text);

/// "2GB", "500 MB", "1GiB" or bytes. Throws CLI::ValidationError.
[[nodiscard]] std::uint64_t parse_size(const std::string& name, const std::string& text);

}  // namespace contourfuse
