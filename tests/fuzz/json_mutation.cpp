// Changes of a JSON document's tree.
#include "json_mutation.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace contourfuse::fuzz {
namespace {

using Json = nlohmann::ordered_json;
using Random = std::minstd_rand;

// nlohmann writes and destroys documents recursively.
constexpr int kMaxDepth = 200;
constexpr std::size_t kMostGrowth = 64;

std::size_t below(Random& random, std::size_t bound) { return random() % bound; }

bool is_shallow(std::string_view text) {
  int depth = 0;
  for (const char c : text) {
    if (c == '{' || c == '[') ++depth;
    if (depth > kMaxDepth) return false;
    if (c == '}' || c == ']') --depth;
  }
  return true;
}

std::string mutate_bytes(std::string_view text) {
  std::string bytes(text);
  bytes.resize(text.size() + kMostGrowth);
  bytes.resize(
      LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(bytes.data()), text.size(), bytes.size()));
  return bytes;
}

void list_nodes(Json& node, std::vector<Json*>& nodes) {
  nodes.push_back(&node);
  if (!node.is_structured()) return;
  for (Json& child : node) list_nodes(child, nodes);
}

Json interesting_value(Random& random) {
  static const std::vector<Json> values{nullptr,
                                        true,
                                        false,
                                        0,
                                        1,
                                        2,
                                        -1,
                                        64,
                                        255,
                                        65535,
                                        1 << 20,
                                        1 << 24,
                                        2147483647,
                                        2147483648,
                                        4294967295,
                                        4294967296,
                                        INT64_MAX,
                                        UINT64_MAX,
                                        INT64_MIN,
                                        0.5,
                                        -0.0,
                                        1e-300,
                                        1e300,
                                        1e39,
                                        5e-324,
                                        0.1,
                                        16777217.0,
                                        3e-39,
                                        "",
                                        "..",
                                        "../a",
                                        "\xF0\x9F\x98\x80",
                                        "a\nb",
                                        "a\\b",
                                        "null",
                                        Json::array(),
                                        Json::object(),
                                        std::string(300, 'x')};
  return values[below(random, values.size())];
}

void change_scalar(Json& node, Random& random) {
  if (node.is_string() && below(random, 4) != 0) {
    const std::string text = node.get<std::string>();
    // Metadata of safetensors files may be JSON again.
    const bool nested = text.starts_with('{') || text.starts_with('[');
    node = nested ? mutate_json(text, static_cast<unsigned>(random())) : mutate_bytes(text);
  } else if (node.is_number_integer() && below(random, 3) == 0) {
    const std::uint64_t value = node.get<std::uint64_t>();
    const std::uint64_t changed[] = {value + 1, value - 1, value * 2, value / 2,
                                     value ^ (1ULL << below(random, 64))};
    node = changed[below(random, std::size(changed))];
  } else if (node.is_number_float() && below(random, 3) == 0) {
    const double value = node.get<double>();
    const double changed[] = {-value, value * 2, value / 2, value + 1, value * 1.0000000001};
    node = changed[below(random, std::size(changed))];
  } else {
    node = interesting_value(random);
  }
}

void change_array(Json& node, Random& random) {
  const std::size_t at = below(random, node.size());
  const auto place = node.begin() + static_cast<std::ptrdiff_t>(at);
  switch (below(random, 4)) {
    case 0:
      node.erase(place);
      break;
    case 1:
      node.insert(place, Json(node[at]));
      break;
    case 2:
      std::swap(node[at], node[below(random, node.size())]);
      break;
    default:
      node.push_back(interesting_value(random));
  }
}

void change_object(Json& node, Random& random) {
  const auto any_member = [&] {
    return std::next(node.begin(), static_cast<std::ptrdiff_t>(below(random, node.size())));
  };
  const auto member = any_member();
  const std::string key = member.key();
  const Json value = member.value();
  switch (below(random, 4)) {
    case 0:
      node.erase(key);
      break;
    case 1:
      node[mutate_bytes(key)] = value;
      break;
    case 2:
      std::swap(member.value(), any_member().value());
      break;
    default:
      node[key + "x"] = interesting_value(random);
  }
}

void change_tree(Json& root, Random& random) {
  std::vector<Json*> nodes;
  list_nodes(root, nodes);
  Json& node = *nodes[below(random, nodes.size())];
  if (below(random, 5) == 0) {
    node = Json(*nodes[below(random, nodes.size())]);
  } else if (node.is_array() && !node.empty()) {
    change_array(node, random);
  } else if (node.is_object() && !node.empty()) {
    change_object(node, random);
  } else {
    change_scalar(node, random);
  }
}

}  // namespace

std::string mutate_json(std::string_view text, unsigned seed) {
  Random random(seed);
  if (below(random, 4) == 0 || !is_shallow(text)) return mutate_bytes(text);
  Json root = Json::parse(text, nullptr, false);
  if (root.is_discarded()) return mutate_bytes(text);
  for (std::size_t changes = 1 + below(random, 3); changes > 0; --changes) {
    change_tree(root, random);
  }
  return root.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::size_t mutate_json_in_place(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                 unsigned seed) {
  const std::string changed = mutate_json({reinterpret_cast<const char*>(data), size}, seed);
  const std::size_t kept = std::min(changed.size(), max_size);
  std::memcpy(data, changed.data(), kept);
  return kept;
}

}  // namespace contourfuse::fuzz
