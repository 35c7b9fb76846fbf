// contourfuse bench
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "bench_cases.hpp"
#include "bench_cost.hpp"
#include "bench_text.hpp"
#include "command.hpp"
#include "console.hpp"
#include "contourfuse/model/synth.hpp"
#include "flag_values.hpp"

namespace contourfuse {
namespace {

struct BenchRequest {
  BenchFlags bench{};
  CostFlags cost{};
  bool model_of_cost = false;
};

/// A rate as a size a second: 7GB.
void add_rate(CLI::App& command, const std::string& name, double& rate,
              const std::string& description) {
  command
      .add_option_function<std::string>(
          name,
          [name, &rate](const std::string& text) {
            rate = static_cast<double>(parse_size(name, text));
          },
          description)
      ->type_name("SIZE/S")
      ->group("Model of cost");
}

void add_cost_flags(CLI::App& command, BenchRequest& request) {
  CostFlags& flags = request.cost;
  command
      .add_flag("--model-of-cost", request.model_of_cost,
                "Print the time of every stage on GPUs, and which resource is the limit")
      ->group("Model of cost");
  command.add_option("--like", flags.like, "The model to fuse (default: 31b)")
      ->check(CLI::IsMember(synth_models()))
      ->group("Model of cost");
  command.add_option("--card", flags.card, "Rates of a GPU and its PCIe (default: h100)")
      ->type_name(card_names())
      ->check([](const std::string& name) {
        const auto known = std::ranges::any_of(
            known_cards(), [&name](const Card& card) { return card.name == name; });
        return known ? std::string() : fmt::format("\"{}\" is none of {}", name, card_names());
      })
      ->group("Model of cost");
  command.add_flag("--recipe", flags.recipe, "The delta is made on the device, not read")
      ->group("Model of cost");
  add_rate(command, "--read-rate", flags.rates.read, "Of the storage (default: 7GB)");
  add_rate(command, "--write-rate", flags.rates.write, "Of the storage (default: 5GB)");
  add_rate(command, "--to-device-rate", flags.rates.to_device, "Of PCIe, instead of the card's");
  add_rate(command, "--from-device-rate", flags.rates.from_device,
           "Of PCIe, instead of the card's");
  add_rate(command, "--memory-rate", flags.rates.device_memory,
           "Of device memory, instead of the card's");
  add_whole_number(
      command, "--devices",
      [&flags](std::uint64_t n) { flags.rates.devices = static_cast<unsigned>(n); },
      "GPUs that share the work (default: 1)", 1, 64)
      ->group("Model of cost");
}

void add_bench_flags(CLI::App& command, BenchFlags& flags) {
  command.add_option("WHAT", flags.what, "What to measure against plain transfers")
      ->check(CLI::IsMember(bench_names()));
  command
      .add_option("--folder", flags.folder,
                  "Where model, delta and outputs are written (default: contourfuse-bench)")
      ->type_name("FOLDER");
  command.add_option("--model", flags.model, "Measure with this one (default: a random one)")
      ->type_name("MODEL");
  command.add_option("--weights", flags.weights, "And this delta (default: generated)")
      ->type_name("DELTA");
  command
      .add_option_function<std::string>(
          "--size", [&flags](const std::string& text) { flags.size = parse_size("--size", text); },
          "About the bytes of a random model, or that a kernel touches (default: 1GiB)")
      ->type_name("SIZE");
  add_whole_number(
      command, "--rounds", [&flags](std::uint64_t n) { flags.rounds = n; },
      "Times that everything is done, in turn (default: 5)", 1, 1000);
  add_number(
      command, "--pause", NumberRule::kNonNegative, [&flags](double s) { flags.pause = s; },
      "Seconds of rest before each: a disk is slower right after many writes (default: 1)");
  command.add_flag("--cold", flags.cold, "Drop sources from the page cache before each");
  add_choice<Durability>(command, "--durability", flags.durability,
                         {{"full", Durability::kFull}, {"none", Durability::kNone}},
                         "full: until all is on disk; none: left to the system (default: full)");
  add_choice<ReadMethod>(command, "--io", flags.read_method,
                         {{"auto", ReadMethod::kAuto},
                          {"pread", ReadMethod::kPread},
                          {"mmap", ReadMethod::kMmap},
                          {"direct", ReadMethod::kDirect}},
                         "How files are read (default: auto)");
  command.add_flag("--direct", flags.direct, "Read and write past the page cache");
}

int measure(const BenchRequest& request, const RunFlags& run, const Execution& execution) {
  const BenchResult result = run_bench(request.bench, run, execution);
  const int threads = execution.thread_count();
  if (run.json) {
    print_document(bench_document(request.bench, result, threads));
  } else {
    print_bench(request.bench, result, threads);
  }
  return 0;
}

}  // namespace

void add_bench_command(CLI::App& app, Session& session) {
  CLI::App* command = add_command(
      app, session, "bench",
      "Measure against the ceiling of this machine, or work out what a GPU would take",
      {"bench fuse --folder /scratch/bench --size 2GiB",
       "bench fuse --model base --weights delta --durability none --rounds 9", "bench read --cold",
       "bench verify --json", "bench --model-of-cost --like 31b --card h100",
       "bench --model-of-cost --like 31b --card rtx4090 --read-rate 3GB --recipe"});
  const auto request = std::make_shared<BenchRequest>();
  add_bench_flags(*command, request->bench);
  add_cost_flags(*command, *request);
  add_pinned_flag(*command, session);

  command->callback([&session, request] {
    if (request->model_of_cost != request->bench.what.empty()) {
      throw CLI::RequiredError("either WHAT or --model-of-cost");
    }
    session.action = [&session, request](const Execution& execution) {
      if (request->model_of_cost) return model_of_cost(request->cost, session.flags);
      return measure(*request, session.flags, execution);
    };
  });
}

}  // namespace contourfuse
