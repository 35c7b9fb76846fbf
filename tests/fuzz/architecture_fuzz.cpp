// Fuzz target: tensor names and what they say of an architecture, one name a line.
#include "contourfuse/model/architecture.hpp"

#include <string>
#include <vector>

#include "refusal.hpp"

namespace contourfuse {
namespace {

using fuzz::require;

// Every name of a layout and role, with that layer.
std::vector<std::string> names_of(const MlpName& said) {
  const auto leaves = [&]() -> std::vector<std::string> {
    const std::string role(to_string(said.role));
    switch (said.layout) {
      case MlpLayout::kDense:
        return {"mlp." + role + "_proj.weight"};
      case MlpLayout::kFusedGateUp:
        return {"mlp.gate_up_proj.weight"};
      case MlpLayout::kExpertTensors:
        return said.role == Role::kGate
                   ? std::vector<std::string>{"experts.gate_up_proj", "mlp.experts.gate_up_proj"}
                   : std::vector<std::string>{"experts.down_proj", "mlp.experts.down_proj"};
      case MlpLayout::kExpertsPerTensor:
        break;
    }
    const std::string mixtral = said.role == Role::kGate ? "w1"
                                : said.role == Role::kUp ? "w3"
                                                         : "w2";
    return {"mlp.experts.#." + role + "_proj.weight",
            "block_sparse_moe.experts.#." + mixtral + ".weight"};
  }();
  std::vector<std::string> names;
  for (const char* prefix :
       {"model.language_model.layers.", "model.layers.", "language_model.model.layers."}) {
    for (const std::string& leaf : leaves) {
      names.push_back(prefix + std::to_string(said.layer) + "." + leaf);
    }
  }
  return names;
}

// Whether `name` is `pattern` with one decimal number in the place of its "#".
bool fits(std::string_view name, std::string_view pattern) {
  const std::size_t hole = pattern.find('#');
  if (hole == std::string_view::npos) return name == pattern;
  const std::string_view tail = pattern.substr(hole + 1);
  if (name.size() <= hole + tail.size() || !name.starts_with(pattern.substr(0, hole)) ||
      !name.ends_with(tail)) {
    return false;
  }
  const std::string_view digits = name.substr(hole, name.size() - hole - tail.size());
  return digits.find_first_not_of("0123456789") == std::string_view::npos;
}

void check(std::string_view name) {
  const auto said = match_mlp_name(name);
  if (!said) return;
  require(!describe(said->layout).empty(), "a layout has words");
  bool known = false;
  for (const std::string& pattern : names_of(*said)) known = known || fits(name, pattern);
  require(known, "a name is taken for no more than it says");
}

}  // namespace
}  // namespace contourfuse

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view names = contourfuse::fuzz::text_of(data, size);
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find('\n'));
    contourfuse::check(name);
    names.remove_prefix(std::min(names.size(), name.size() + 1));
  }
  return 0;
}
