// contourfuse synth
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "command.hpp"
#include "console.hpp"
#include "contourfuse/model/synth.hpp"
#include "contourfuse/report/table.hpp"
#include "flag_values.hpp"

namespace contourfuse {
namespace {

nlohmann::ordered_json synth_document(const SynthSettings& settings, const SynthResult& result) {
  nlohmann::ordered_json document;
  document["schema"] = "contourfuse.synth/1";
  document["like"] = settings.like;
  document["output"] = settings.output.string();
  document["scale"] = fmt::format("{}/{}", settings.scale_numerator, settings.scale_denominator);
  document["seed"] = settings.seed;
  document["tensors"] = result.tensors;
  document["shards"] = result.shards;
  document["bytes"] = result.bytes;
  document["seconds"] = result.seconds;
  return document;
}

std::string known_models() {
  std::string text;
  for (const std::string& model : synth_models()) text += (text.empty() ? "" : "|") + model;
  return text;
}

}  // namespace

void add_synth_command(CLI::App& app, Session& session) {
  CLI::App* command =
      add_command(app, session, "synth",
                  "Write a random checkpoint with the names, types and shards of a known model",
                  {"synth --like 31b --scale 1/8 --layers 12 --output tiny-31b",
                   "synth --like e2b --output big --max-shard-size 2GB --seed 7"});
  const auto settings = std::make_shared<SynthSettings>();
  command->add_option("--like", settings->like, "The model to be like")
      ->required()
      ->type_name(known_models())
      ->check([](const std::string& model) {
        const auto& known = synth_models();
        if (std::find(known.begin(), known.end(), model) != known.end()) return std::string();
        return fmt::format("\"{}\" is none of {}", model, known_models());
      });
  command->add_option("--output", settings->output, "Folder to write")
      ->required()
      ->type_name("FOLDER");
  add_whole_number(
      *command, "--layers", [settings](std::uint64_t n) { settings->layers = n; },
      "Number of layers (default: the model's own)", 1, 100'000);
  command
      ->add_option_function<std::string>(
          "--scale",
          [settings](const std::string& text) {
            const Fraction fraction = parse_fraction("--scale", text);
            settings->scale_numerator = fraction.numerator;
            settings->scale_denominator = fraction.denominator;
          },
          "Factor of every dimension, such as 1/64 (default: 1)")
      ->type_name("N/M");
  command
      ->add_option_function<std::string>(
          "--max-shard-size",
          [settings](const std::string& text) {
            settings->max_shard_bytes = parse_size("--max-shard-size", text);
          },
          "Split into shards of at most this size (default: as the model was published)")
      ->type_name("SIZE");
  add_whole_number(
      *command, "--seed", [settings](std::uint64_t n) { settings->seed = n; },
      "Seed of the weights (default: 0)");
  command->add_flag("--sparse", settings->sparse,
                    "Real sizes without data: weights are holes, which take no room and read as 0");
  command->add_flag("--overwrite", settings->overwrite, "Replace an existing folder, atomically");
  add_choice<Durability>(*command, "--durability", settings->durability,
                         {{"full", Durability::kFull}, {"none", Durability::kNone}},
                         "full: on disk before it is called done; none: left to the system "
                         "(default: full)");

  command->callback([&session, settings] {
    if (settings->output.empty()) throw CLI::RequiredError("--output");
    session.action = [&session, settings](const Execution& execution) {
      const SynthResult result = synthesize(*settings, execution);
      if (session.flags.json) {
        print_document(synth_document(*settings, result));
      } else if (!session.flags.quiet) {
        print_text(fmt::format(
            "wrote {}: {} tensors in {} shard{}, {} in {} ({})\n",
            visible(settings->output.string()), format_count(result.tensors),
            format_count(result.shards), result.shards == 1 ? "" : "s", format_bytes(result.bytes),
            format_duration(result.seconds),
            format_rate(static_cast<double>(result.bytes) / std::max(result.seconds, 1e-6))));
      }
      return 0;
    };
  });
}

}  // namespace contourfuse
