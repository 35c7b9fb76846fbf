// Parsing of a generation, its document and its summary.
#include "generate_flags.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "console.hpp"
#include "contourfuse/neuron/generate.hpp"
#include "contourfuse/report/table.hpp"
#include "flag_values.hpp"

namespace contourfuse {
namespace {

nlohmann::ordered_json generate_document(const GenerateSettings& settings,
                                         const GenerateResult& result) {
  const DeltaRecipe& recipe = result.recipe;
  nlohmann::ordered_json document;
  document["schema"] = "contourfuse.generate/1";
  document["base_model"] = settings.base_model;
  document["output"] = settings.output.string();
  document["stored"] = recipe.stored;
  document["seed"] = recipe.seed;
  document["family"] = recipe.family;
  document["hidden_size"] = recipe.hidden_size;
  document["activation"] = to_string(recipe.bank.activation);
  document["gains_per_cell"] = recipe.bank.gains_per_cell();
  document["sources"] = recipe.bank.sources.size();
  document["gate_scale"] = recipe.gate_scale;
  document["down_scale"] = recipe.down_scale;
  document["balance"] = recipe.balance;
  document["layers"] = nlohmann::ordered_json::array();
  for (const RecipeLayer& layer : recipe.layers) {
    document["layers"].push_back({{"layer", layer.layer},
                                  {"kind", to_string(layer.kind)},
                                  {"hidden_size", layer.hidden_size},
                                  {"intermediate_size", layer.intermediate_size},
                                  {"cells", layer.cells}});
  }
  document["bytes_written"] = result.bytes_written;
  document["seconds"] = result.seconds;
  return document;
}

void print_generate_summary(const GenerateSettings& settings, const GenerateResult& result) {
  const DeltaRecipe& recipe = result.recipe;
  struct Group {
    std::uint64_t layers = 0;
    std::uint64_t cells = 0;
    std::uint64_t idle = 0;
  };
  std::map<std::pair<LayerKind, std::uint64_t>, Group> groups;
  const std::uint64_t neurons_per_cell = 2 * recipe.bank.gains_per_cell();
  for (const RecipeLayer& layer : recipe.layers) {
    Group& group = groups[{layer.kind, layer.intermediate_size}];
    ++group.layers;
    group.cells += layer.cells;
    group.idle += layer.intermediate_size - layer.cells * neurons_per_cell;
  }
  print_text(fmt::format("{} source neurons for {}, {} neurons a cell, seed {}\n\n",
                         recipe.bank.sources.size(), to_string(recipe.bank.activation),
                         neurons_per_cell, recipe.seed));
  Table table(
      {{"layers", Align::kLeft}, {"count"}, {"intermediate size"}, {"cells"}, {"idle neurons"}});
  for (const auto& [key, group] : groups) {
    table.add_row({std::string(to_string(key.first)), format_count(group.layers),
                   format_count(key.second), format_count(group.cells), format_count(group.idle)});
  }
  print_text(table.text());
  print_text(fmt::format("\nwrote {}{}: {} in {}\n", visible(settings.output.string()),
                         recipe.stored ? "" : " (recipe only)", format_bytes(result.bytes_written),
                         format_duration(result.seconds)));
}

}  // namespace

void add_generate_flags(CLI::App& command, Session& session) {
  const auto settings = std::make_shared<GenerateSettings>();
  command
      .add_option("--base-model", settings->base_model,
                  "The checkpoint to generate for: a folder, or a hub id in the local cache")
      ->required()
      ->type_name("MODEL");
  command.add_option("--output-dir", settings->output, "Folder to write the delta to")
      ->required()
      ->type_name("FOLDER");
  add_whole_number(
      command, "--seed", [settings](std::uint64_t n) { settings->seed = n; },
      "Seed of frames and signs (default: 42)");
  command.add_option("--revision", settings->revision, "Revision of a hub id (default: main)")
      ->type_name("REV");
  command
      .add_option("--layers", settings->layers,
                  "Layers to generate: numbers, ranges such as 0-9, global, sliding, all (default)")
      ->type_name("LAYER")
      ->expected(1, -1);
  command.add_option("--bank", settings->bank, "A neuron bank (default: the built-in families)")
      ->type_name("FILE");
  add_number(
      command, "--gate-scale", NumberRule::kNonZeroFloat32,
      [settings](double x) { settings->gate_scale = static_cast<float>(x); },
      "Factor of gate and up rows (default: 1)");
  add_number(
      command, "--down-scale", NumberRule::kNonZeroFloat32,
      [settings](double x) { settings->down_scale = static_cast<float>(x); },
      "Factor of down columns (default: 1)");
  command.add_flag_callback(
      "--no-balance", [settings] { settings->balance = false; },
      "Leave up rows as long as gate rows instead of balancing up and down");
  command.add_flag("--recipe-only", settings->recipe_only,
                   "Write delta.json alone; the matrices are made when they are used");
  command.add_flag("--config-only", settings->config_only,
                   "Take the sizes from config.json, without weights");
  command.add_flag("--overwrite", settings->overwrite, "Replace an existing folder, atomically");
  add_choice<Durability>(command, "--durability", settings->durability,
                         {{"full", Durability::kFull}, {"none", Durability::kNone}},
                         "full: on disk before it is called done; none: left to the system "
                         "(default: full)");

  add_limit_flag(command, session);

  command.callback([&session, settings] {
    if (settings->output.empty()) throw CLI::RequiredError("--output-dir");
    session.action = [&session, settings](const Execution& execution) {
      const GenerateResult result = generate_delta(*settings, execution);
      if (session.flags.json) {
        print_document(generate_document(*settings, result));
      } else if (!session.flags.quiet) {
        print_generate_summary(*settings, result);
      }
      return 0;
    };
  });
}

}  // namespace contourfuse
