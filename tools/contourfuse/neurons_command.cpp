// contourfuse neurons
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "bank_curves.hpp"
#include "command.hpp"
#include "console.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/neuron/bank.hpp"
#include "contourfuse/report/bank_page.hpp"
#include "contourfuse/report/table.hpp"
#include "flag_values.hpp"

namespace contourfuse {
namespace {

struct NeuronsRequest {
  std::string activation = "gelu_pytorch_tanh";
  std::uint64_t gains_per_cell = 8;
  std::filesystem::path output{};
  std::filesystem::path families{};
  std::filesystem::path plot{};
  bool drop_even_part = false;
};

nlohmann::ordered_json path_or_null(const std::filesystem::path& path) {
  return path.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(path.string());
}

void print_bank(const NeuronBank& bank) {
  print_text(fmt::format("{} source neurons for {}, {} gains a cell\n\n", bank.sources.size(),
                         to_string(bank.activation), bank.gains_per_cell()));
  Table table({{"source neuron", Align::kLeft},
               {"layers", Align::kLeft},
               {"knots"},
               {"fit error"},
               {"storage error"}});
  for (const SourceNeuron& source : bank.sources) {
    table.add_row({visible(source.name), std::string(layer_use_name(source.kind)),
                   format_count(source.function.knots().size()), format_percent(source.fit_error),
                   format_percent(source.storage_error)});
  }
  print_text(table.text() + '\n');
}

int run(const NeuronsRequest& request, const RunFlags& flags) {
  const Activation activation = parse_activation(request.activation);
  const NeuronBank bank =
      request.families.empty()
          ? make_default_bank(activation, request.gains_per_cell)
          : make_bank(activation, request.gains_per_cell, request.families, request.drop_even_part);
  if (!request.output.empty()) write_bank(bank, request.output, Durability::kFull);
  if (!request.plot.empty()) {
    const auto page =
        bank_page(std::string(to_string(activation)), bank.gains_per_cell(), sample_bank(bank));
    write_text(request.plot, page, true);
  }

  if (flags.json) {
    nlohmann::ordered_json document;
    document["schema"] = "contourfuse.neurons/1";
    document["activation"] = to_string(activation);
    document["gains_per_cell"] = bank.gains_per_cell();
    document["output"] = path_or_null(request.output);
    document["plot"] = path_or_null(request.plot);
    document["sources"] = bank_sources_to_json(bank);
    print_document(document);
  } else if (!flags.quiet) {
    print_bank(bank);
    for (const auto& path : {request.output, request.plot}) {
      if (!path.empty()) print_text("wrote " + visible(path.string()) + '\n');
    }
  }
  return 0;
}

}  // namespace

void add_neurons_command(CLI::App& app, Session& session) {
  CLI::App* command =
      add_command(app, session, "neurons",
                  "Write a bank of source and derivative neurons, fitted to an activation",
                  {"neurons --activation gelu_pytorch_tanh --output bank.safetensors",
                   "neurons --activation silu --output bank.safetensors --spec families.json",
                   "neurons --plot bank.html"});
  const auto request = std::make_shared<NeuronsRequest>();
  command
      ->add_option("--activation", request->activation,
                   "gelu_pytorch_tanh (default), gelu or silu: config.json's hidden_activation")
      ->type_name("NAME");
  command->add_option("--output", request->output, "Bank file to write")->type_name("FILE");
  command->add_option("--spec", request->families, "Families file (default: the built-in ones)")
      ->type_name("FILE");
  add_whole_number(
      *command, "--gains-per-cell", [request](std::uint64_t n) { request->gains_per_cell = n; },
      "Gains of a cell, which has twice as many neurons (default: 8)", 1, 64);
  command->add_option("--plot", request->plot, "Page to draw every neuron on")->type_name("FILE");
  command->add_flag("--drop-even-part", request->drop_even_part,
                    "Drop the even part of a function instead of refusing it");

  command->callback([&session, request] {
    if (request->output.empty() && request->plot.empty()) {
      throw CLI::RequiredError("--output or --plot");
    }
    session.action = [&session, request](const Execution&) { return run(*request, session.flags); };
  });
}

}  // namespace contourfuse
