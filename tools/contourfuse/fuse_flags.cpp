// Parsing of a fuse, and the run behind it.
#include "fuse_flags.hpp"

#include <fmt/format.h>

#include <utility>

#include "console.hpp"
#include "contourfuse/fusion/fuse.hpp"
#include "devices.hpp"
#include "flag_values.hpp"
#include "fuse_text.hpp"

namespace contourfuse {
namespace {

int run_in_place(const FuseRequest& request, const RunFlags& flags, const Execution& execution) {
  const FusePlan plan = plan_fuse(request.settings);
  FuseReport report;
  if (request.dry_run) {
    refuse_unstartable(plan, request.how);
    report.dry_run = true;
  } else {
    report = run_fuse_in_place(plan, request.how, *make_backend(flags), execution);
  }
  if (flags.json) {
    print_document(in_place_document(plan, report, request.how));
  } else if (!flags.quiet) {
    request.dry_run ? print_in_place_plan(plan, request.how)
                    : print_in_place_report(plan, report, request.how);
  }
  return 0;
}

int run(const FuseRequest& request, const RunFlags& flags, const Execution& execution) {
  if (request.in_place) return run_in_place(request, flags, execution);
  const FusePlan plan = plan_fuse(request.settings);
  FuseReport report;
  if (request.dry_run) {
    refuse_unstartable(plan);
    report.dry_run = true;
  } else {
    report = run_fuse(plan, *make_backend(flags), execution);
  }
  if (flags.json) {
    print_document(fuse_document(plan, report));
  } else if (!flags.quiet) {
    request.dry_run ? print_fuse_plan(plan) : print_fuse_report(plan, report);
  }
  return 0;
}

}  // namespace

void add_fuse_flags(CLI::App& command, Session& session) {
  const auto request = std::make_shared<FuseRequest>();
  FuseSettings& settings = request->settings;
  FuseParameters& parameters = settings.parameters;

  command
      .add_option("--model", settings.model,
                  "The base checkpoint: a folder, or a hub id in the "
                  "local cache")
      ->required()
      ->type_name("MODEL");
  command.add_option("--weights", settings.weights, "The delta: a folder, or a delta.json alone")
      ->required()
      ->type_name("DELTA");
  CLI::Option* output =
      command.add_option("--output", settings.output, "Folder to write; not needed for a dry run")
          ->type_name("FOLDER");
  add_number(
      command, "--alpha", NumberRule::kFinite, [&parameters](double x) { parameters.alpha = x; },
      "Strength of the down_proj update (default: 0.02)");
  add_number(
      command, "--gamma-cap", NumberRule::kNonNegative,
      [&parameters](double x) { parameters.gamma_cap = x; },
      "Largest fractional change of a gate_proj weight (default: 0.05)");
  command
      .add_option("--layers", settings.layers,
                  "Layers to edit: numbers, ranges such as 0-9, global, sliding, all (default)")
      ->type_name("LAYER")
      ->expected(1, -1);
  command.add_flag("--dry-run", request->dry_run,
                   "Read headers only, show what a run would do, write nothing");
  command.add_option("--revision", settings.revision, "Revision of a hub id (default: main)")
      ->type_name("REV");

  add_choice<VarianceNorm>(command, "--variance-norm", parameters.variance_norm,
                           {{"match", VarianceNorm::kMatch},
                            {"unit", VarianceNorm::kUnit},
                            {"none", VarianceNorm::kNone}},
                           "How alpha is scaled for each down_proj (default: match)")
      ->group("Numbers");
  add_choice<Rounding>(command, "--rounding", parameters.rounding,
                       {{"nearest", Rounding::kNearest}, {"stochastic", Rounding::kStochastic}},
                       "How results are rounded to the stored type (default: nearest)")
      ->group("Numbers");
  add_whole_number(
      command, "--rounding-seed", [&parameters](std::uint64_t n) { parameters.rounding_seed = n; },
      "Seed of stochastic rounding (default: 0)")
      ->group("Numbers");
  add_choice<NonFinite>(command, "--nonfinite", parameters.nonfinite,
                        {{"error", NonFinite::kError}, {"keep", NonFinite::kKeep}},
                        "What to do at a NaN or infinity (default: error)")
      ->group("Numbers");
  command
      .add_flag("--require-full-coverage", parameters.require_full_coverage,
                "Refuse a delta smaller than its weight")
      ->group("Numbers");

  CLI::Option* overwrite =
      command.add_flag("--overwrite", settings.overwrite, "Replace an existing output, atomically")
          ->group("Files");
  CLI::Option* resume =
      command
          .add_flag("--resume", settings.resume,
                    "Go on from what an unfinished run to the same output left; without one, a "
                    "plain run")
          ->group("Files");
  command
      .add_flag_callback(
          "--no-model-card", [&settings] { settings.model_card = false; },
          "Copy README.md as it is instead of marking it as a derivative")
      ->group("Files");
  add_choice<ReadMethod>(
      command, "--io", settings.read_method,
      {{"auto", ReadMethod::kAuto},
       {"pread", ReadMethod::kPread},
       {"mmap", ReadMethod::kMmap},
       {"direct", ReadMethod::kDirect}},
      "How model and delta are read (default: auto, which is pread, or direct with --direct)")
      ->group("Files");
  command
      .add_flag("--direct", settings.direct,
                "Write past the page cache, and read so: for models larger than memory")
      ->group("Files");
  add_choice<Durability>(command, "--durability", settings.durability,
                         {{"full", Durability::kFull}, {"none", Durability::kNone}},
                         "full: on disk before it is called done; none: left to the system "
                         "(default: full)")
      ->group("Files");

  CLI::Option* in_place =
      command
          .add_flag("--in-place", request->in_place,
                    "Change the model itself instead of writing a new one; needs --undo")
          ->excludes(output)
          ->excludes(overwrite)
          ->excludes(resume)
          ->group("In place");
  CLI::Option* undo =
      command
          .add_option("--undo", request->how.undo,
                      "File that gets what is changed, before it is: `contourfuse undo FILE` puts "
                      "it back")
          ->type_name("FILE")
          ->needs(in_place)
          ->group("In place");
  in_place->needs(undo);
  command
      .add_flag("--force", request->how.force,
                "Change shards that are links, hard-linked, or of a hub cache")
      ->needs(in_place)
      ->group("In place");

  add_pinned_flag(command, session);
  add_limit_flag(command, session);

  command.callback([&session, request] {
    FuseSettings& chosen = request->settings;
    if (request->in_place && request->how.undo.empty()) throw CLI::RequiredError("--undo");
    if (chosen.output.empty() && !request->dry_run && !request->in_place) {
      throw CLI::RequiredError("--output");
    }
    chosen.command = fuse_command(chosen);
    session.action = [&session, request](const Execution& execution) {
      return run(*request, session.flags, execution);
    };
  });
}

}  // namespace contourfuse
