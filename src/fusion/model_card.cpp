// Editing a model card as text, so that what the base's author wrote stays as it was.
#include "contourfuse/fusion/model_card.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace contourfuse {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kFence = "---";
constexpr std::string_view kTag = "contourfuse";
constexpr std::string_view kHeading = "## Shape-Contoured Fusion";

using Lines = std::vector<std::string>;

std::string_view without_trailing_space(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

std::string_view without_leading_space(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

std::string_view trimmed(std::string_view text) {
  return without_leading_space(without_trailing_space(text));
}

/// Lines without their ends; a last newline makes no empty line.
Lines split_lines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::string join_lines(const Lines& lines, std::string_view line_end) {
  std::string text;
  for (const std::string& line : lines) {
    text += line;
    text += line_end;
  }
  return text;
}

/// A YAML scalar on one line that reads back as this string.
std::string yaml_string(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
  // The words that YAML 1.1 takes for booleans and null.
  constexpr std::array<std::string_view, 9> kOther{"y",   "yes",  "n",     "no",  "on",
                                                   "off", "true", "false", "null"};
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  // What begins with a letter is no number and no date.
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos &&
      lower.front() >= 'a' && lower.front() <= 'z' &&
      std::ranges::find(kOther, lower) == kOther.end()) {
    return std::string(text);
  }
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Lines [begin, end) of a top-level entry of a YAML mapping: its key line, and what is indented or
/// a list item below it.
struct Entry {
  std::size_t begin = 0;
  std::size_t end = 0;
};

std::optional<Entry> find_entry(const Lines& yaml, std::string_view key) {
  const auto is_key_line = [key](const std::string& line) {
    if (!line.starts_with(key)) return false;
    const std::string_view rest = without_leading_space(std::string_view(line).substr(key.size()));
    return rest == ":" || rest.starts_with(": ") || rest.starts_with(":\t");
  };
  const auto first = std::find_if(yaml.begin(), yaml.end(), is_key_line);
  if (first == yaml.end()) return std::nullopt;
  const auto belongs = [](const std::string& line) {
    return line.empty() || line.front() == ' ' || line.front() == '\t' || line == "-" ||
           line.starts_with("- ") || line.front() == ']' || line.front() == '}';
  };
  auto last = std::find_if_not(first + 1, yaml.end(), belongs);
  while (last - 1 > first && trimmed(*(last - 1)).empty()) --last;
  return Entry{static_cast<std::size_t>(first - yaml.begin()),
               static_cast<std::size_t>(last - yaml.begin())};
}

auto position(Lines& lines, std::size_t index) {
  return lines.begin() + static_cast<Lines::difference_type>(index);
}

void set_entry(Lines& yaml, std::string_view key, std::string_view value) {
  std::string line = fmt::format("{}: {}", key, yaml_string(value));
  const std::optional<Entry> entry = find_entry(yaml, key);
  if (!entry) {
    yaml.push_back(std::move(line));
    return;
  }
  yaml[entry->begin] = std::move(line);
  yaml.erase(position(yaml, entry->begin + 1), position(yaml, entry->end));
}

/// `text` less a comment; a '#' inside quotes is none.
std::string_view without_comment(std::string_view text) {
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#' && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '\t')) {
      return without_trailing_space(text.substr(0, i));
    }
  }
  return without_trailing_space(text);
}

/// A scalar less its quotes.
std::string_view unquoted(std::string_view text) {
  text = trimmed(text);
  if (text.size() >= 2 && text.front() == text.back() &&
      (text.front() == '"' || text.front() == '\'')) {
    text = text.substr(1, text.size() - 2);
  }
  return text;
}

bool flow_list_holds(std::string_view items, std::string_view wanted) {
  while (true) {
    const std::size_t comma = items.find(',');
    if (unquoted(items.substr(0, comma)) == wanted) return true;
    if (comma == std::string_view::npos) return false;
    items.remove_prefix(comma + 1);
  }
}

/// `tags: [a, b]`, on one line or several.
void add_to_flow_list(Lines& yaml, const Entry& entry, std::string_view value) {
  std::string items;
  for (std::size_t i = entry.begin; i < entry.end; ++i) {
    items += i == entry.begin ? without_comment(yaml[i]) : trimmed(without_comment(yaml[i]));
    items += ' ';
  }
  const std::size_t open = items.find('[');
  const std::size_t close = items.rfind(']');
  if (close == std::string::npos || close < open) return;  // no YAML that we understand: leave it
  const std::string_view inner =
      trimmed(std::string_view(items).substr(open + 1, close - open - 1));
  if (flow_list_holds(inner, value)) return;
  const std::string_view separator = inner.empty() || inner.ends_with(',') ? "" : ", ";
  yaml[entry.begin] = fmt::format("{}{}{}{}]", items.substr(0, open + 1), inner, separator, value);
  yaml.erase(position(yaml, entry.begin + 1), position(yaml, entry.end));
}

/// `tags:` with `- a` lines below it.
void add_to_block_list(Lines& yaml, const Entry& entry, std::string_view value) {
  std::string indent;
  for (std::size_t i = entry.begin + 1; i < entry.end; ++i) {
    const std::string_view line = without_comment(yaml[i]);
    const std::string_view item = without_leading_space(line);
    if (!item.starts_with('-')) continue;
    indent = std::string(line.substr(0, line.size() - item.size()));
    if (unquoted(item.substr(1)) == value) return;
  }
  yaml.insert(position(yaml, entry.end), fmt::format("{}- {}", indent, value));
}

void add_tag(Lines& yaml, std::string_view value) {
  const std::optional<Entry> entry = find_entry(yaml, "tags");
  if (!entry) {
    yaml.emplace_back("tags:");
    yaml.push_back(fmt::format("- {}", value));
    return;
  }
  const std::string& line = yaml[entry->begin];
  const std::string given(
      trimmed(without_comment(std::string_view(line).substr(line.find(':') + 1))));
  bool flow = given.starts_with('[');
  if (given.empty() && entry->end > entry->begin + 1) {
    flow = without_leading_space(yaml[entry->begin + 1]).starts_with('[');
  }
  if (flow) {
    add_to_flow_list(yaml, *entry, value);
  } else if (given.empty() || given == "null" || given == "~") {
    if (!given.empty()) yaml[entry->begin] = "tags:";
    add_to_block_list(yaml, *entry, value);
  } else if (unquoted(given) != value) {  // one tag, not in a list
    yaml[entry->begin] = fmt::format("tags: [{}, {}]", given, value);
  }
}

/// Removes the section under kHeading: up to the next heading of its level or above it that stands
/// in no code block.
void remove_section(Lines& body) {
  std::string fence;
  std::optional<std::size_t> begin;
  std::size_t end = body.size();
  for (std::size_t i = 0; i < body.size(); ++i) {
    const std::string_view line = trimmed(body[i]);
    if (!fence.empty()) {
      if (line.starts_with(fence)) fence.clear();
      continue;
    }
    if (line.starts_with("```") || line.starts_with("~~~")) {
      fence = std::string(line.substr(0, 3));
    } else if (begin && (line.starts_with("# ") || line.starts_with("## "))) {
      end = i;
      break;
    } else if (!begin && line == kHeading) {
      begin = i;
    }
  }
  if (!begin) return;
  body.erase(position(body, *begin), position(body, end));
}

/// "google/gemma-4-31B-it" of …/models--google--gemma-4-31B-it/snapshots/COMMIT.
std::optional<std::string> hub_id_of(const fs::path& folder) {
  constexpr std::string_view kRepository = "models--";
  const fs::path snapshots = folder.parent_path();
  const std::string name = snapshots.parent_path().filename().string();
  if (snapshots.filename() != "snapshots" || !name.starts_with(kRepository)) return std::nullopt;
  std::string id = name.substr(kRepository.size());
  if (const std::size_t separator = id.find("--"); separator != std::string::npos) {
    id.replace(separator, 2, "/");
  }
  return id.empty() ? std::nullopt : std::optional(id);
}

/// Name of a folder, without the folders above it: a card is published, a path is private.
std::string last_name(const fs::path& path) {
  std::error_code failure;
  fs::path absolute = fs::absolute(path, failure).lexically_normal();
  if (failure) absolute = path;
  if (!absolute.has_filename()) absolute = absolute.parent_path();
  return absolute.filename().string();
}

std::string base_name(const FusePlan& plan) {
  if (const auto id = hub_id_of(plan.base.folder)) return *id;
  return last_name(plan.base.folder);
}

std::string delta_name(const FusePlan& plan) {
  const fs::path& path = plan.settings.weights;
  const std::string name = last_name(path);
  return name == "delta.json" ? last_name(path.parent_path().empty() ? "." : path.parent_path())
                              : name;
}

/// "5, 11, 17–23".
std::string layer_ranges(const std::vector<std::uint64_t>& layers) {
  std::string text;
  for (std::size_t first = 0, last = 0; first < layers.size(); first = last + 1) {
    last = first;
    while (last + 1 < layers.size() && layers[last + 1] == layers[last] + 1) ++last;
    if (!text.empty()) text += ", ";
    text += std::to_string(layers[first]);
    if (last > first) text += (last == first + 1 ? ", " : "–") + std::to_string(layers[last]);
  }
  return text;
}

/// Text in a table cell, as code.
std::string cell(std::string_view text) {
  std::string code = "`";
  for (const char c : text) {
    if (c == '`' || c == '|' || c == '\n' || c == '\r') {
      code += '_';
    } else {
      code += c;
    }
  }
  return code + '`';
}

Lines section_lines(const FusePlan& plan) {
  const FuseParameters& parameters = plan.settings.parameters;
  const auto row = [](std::string_view name, std::string_view value) {
    return fmt::format("| {} | {} |", name, value);
  };
  Lines lines;
  lines.emplace_back(kHeading);
  lines.emplace_back();
  lines.push_back(fmt::format(
      "Made by ContourFuse from {}: the `gate_proj` and `down_proj` weights of the layers below "
      "were "
      "moved by Shape-Contoured Fusion; every other tensor is the base's, byte for byte. "
      "`contourfuse.json` lists what was edited, with hashes.",
      cell(base_name(plan))));
  lines.emplace_back();
  lines.push_back(row("setting", "value"));
  lines.push_back(row("---", "---"));
  lines.push_back(row("base", cell(base_name(plan))));
  lines.push_back(row("delta", cell(delta_name(plan))));
  lines.push_back(row("alpha", fmt::format("{}", parameters.alpha)));
  // As it is used: in f32.
  lines.push_back(row("gamma cap", fmt::format("{}", static_cast<float>(parameters.gamma_cap))));
  lines.push_back(row("variance norm", to_string(parameters.variance_norm)));
  lines.push_back(row("rounding", to_string(parameters.rounding)));
  if (parameters.rounding == Rounding::kStochastic) {
    lines.push_back(row("rounding seed", std::to_string(parameters.rounding_seed)));
  }
  lines.push_back(row("non-finite", to_string(parameters.nonfinite)));
  lines.push_back(row("layers", layer_ranges(plan.selected_layers)));
  lines.push_back(row("matrices", std::to_string(plan.matrices.size())));
  return lines;
}

}  // namespace

std::string derived_model_card(std::string_view base_card, const FusePlan& plan) {
  std::string text;
  if (base_card.starts_with(kByteOrderMark)) {
    text = kByteOrderMark;
    base_card.remove_prefix(kByteOrderMark.size());
  }
  const std::string_view first_line = base_card.substr(0, base_card.find('\n'));
  const std::string_view line_end = first_line.ends_with('\r') ? "\r\n" : "\n";

  Lines body = split_lines(base_card);
  Lines yaml;
  if (!body.empty() && without_trailing_space(body.front()) == kFence) {
    const auto close = std::find_if(body.begin() + 1, body.end(), [](const std::string& line) {
      return without_trailing_space(line) == kFence;
    });
    if (close != body.end()) {
      yaml.assign(body.begin() + 1, close);
      body.erase(body.begin(), close + 1);
    }
  }
  set_entry(yaml, "base_model", base_name(plan));
  set_entry(yaml, "base_model_relation", "finetune");
  add_tag(yaml, kTag);

  remove_section(body);
  while (!body.empty() && trimmed(body.back()).empty()) body.pop_back();
  body.emplace_back();
  for (std::string& line : section_lines(plan)) body.push_back(std::move(line));

  yaml.insert(yaml.begin(), std::string(kFence));
  yaml.emplace_back(kFence);
  return text + join_lines(yaml, line_end) + join_lines(body, line_end);
}

}  // namespace contourfuse
