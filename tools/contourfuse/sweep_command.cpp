// contourfuse sweep run | plan | work | merge | report
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "array_element.hpp"
#include "command.hpp"
#include "console.hpp"
#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/fuse.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/report/sweep_page.hpp"
#include "contourfuse/sweep/evaluate.hpp"
#include "contourfuse/sweep/merge.hpp"
#include "contourfuse/sweep/work.hpp"
#include "devices.hpp"
#include "flag_values.hpp"
#include "sweep_flags.hpp"
#include "sweep_text.hpp"

namespace contourfuse {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

void write_report(const SweepPlan& plan, const fs::path& run, const MergedSweep& merged) {
  write_text(run / "report.html", sweep_page(page_document(plan, merged)), false);
}

void print_merged(const SweepPlan& plan, const fs::path& run, const MergedSweep& merged,
                  const RunFlags& flags, Clock::time_point start) {
  if (flags.json) {
    nlohmann::ordered_json document = sweep_document(plan, merged);
    document["seconds"] = std::chrono::duration<double>(Clock::now() - start).count();
    print_document(document);
  } else if (!flags.quiet) {
    print_sweep(plan, run, merged);
  }
}

int run_all(const SweepRequest& request, const RunFlags& flags, const Execution& execution) {
  const Clock::time_point start = Clock::now();
  const fs::path& run = request.run;
  const SweepPlan plan = plan_sweep(request.settings);
  store_plan(plan, run);
  const auto sweep = make_sweep_backend(flags);
  const auto fuser = make_backend(flags);
  std::vector<std::size_t> tasks(plan.tasks.size());
  std::iota(tasks.begin(), tasks.end(), std::size_t{0});
  run_tasks(plan, run, tasks, {*sweep, *fuser}, execution);
  MergedSweep merged = merge_parts(plan, run);
  write_results(plan, run, merged);
  if (!request.evaluate.empty()) {
    evaluate_points(plan, run, select_points(plan, merged, request.points), request.evaluate,
                    *fuser, execution);
    merged = merge_parts(plan, run);
    write_results(plan, run, merged);
  }
  write_report(plan, run, merged);
  print_merged(plan, run, merged, flags, start);
  return 0;
}

void add_run(CLI::App& sweep, Session& session) {
  CLI::App* command = add_command(
      sweep, session, "run", "Plan, measure, merge and report in one go",
      {"sweep run --model base --weights delta --output run --alphas log:0.01:32:16 --gammas "
       "log:0.01:25:12",
       "sweep run --model base --weights delta --output run --alphas 0.02 1 8 --gammas 0.05 1 "
       "--budget error_after_norm=0.02",
       "sweep run --model base --weights delta --output run --alphas 1 8 --gammas 1 --evaluate "
       "'python evaluate.py {model}' --points all"});
  const auto request = std::make_shared<SweepRequest>();
  add_plan_flags(*command, request);
  add_evaluate_flags(*command, request);
  add_pinned_flag(*command, session);
  command->callback([&session, request] {
    session.action = [&session, request](const Execution& execution) {
      return run_all(*request, session.flags, execution);
    };
  });
}

void add_plan(CLI::App& sweep, Session& session) {
  CLI::App* command = add_command(
      sweep, session, "plan", "Write the plan of a sweep, whose tasks any machine can do",
      {"sweep plan --model base --weights delta --output run --alphas log:0.01:32:64 --gammas "
       "log:0.01:25:32"});
  const auto request = std::make_shared<SweepRequest>();
  add_plan_flags(*command, request);
  command->callback([&session, request] {
    session.action = [&session, request](const Execution&) {
      const SweepPlan plan = plan_sweep(request->settings);
      store_plan(plan, request->run);
      if (session.flags.json) {
        print_document({{"schema", "contourfuse.sweep.plan/1"},
                        {"run", request->run.string()},
                        {"tasks", plan.tasks.size()}});
      } else if (!session.flags.quiet) {
        print_sweep_plan(plan, request->run);
      }
      return 0;
    };
  });
}

struct WorkRequest {
  fs::path run{};
  std::vector<std::size_t> tasks{};
  bool from_environment = false;
};

std::vector<std::size_t> chosen_tasks(const WorkRequest& request, std::size_t tasks) {
  if (request.from_environment) {
    const ArrayElement element = array_element_from_environment();
    return tasks_of_element(tasks, element.index, element.count);
  }
  for (const std::size_t task : request.tasks) {
    if (task < tasks) continue;
    throw Error(Failure::kUsage, "unknown-task",
                fmt::format("--task {}: the plan has tasks 0 to {}", task, tasks - 1));
  }
  return request.tasks;
}

int work(const WorkRequest& request, const RunFlags& flags, const Execution& execution) {
  const SweepPlan plan = load_plan(request.run);
  const std::vector<std::size_t> tasks = chosen_tasks(request, plan.tasks.size());
  WorkReport report;
  if (!tasks.empty()) {
    const auto sweep = make_sweep_backend(flags);
    const auto fuser = make_backend(flags);
    try {
      report = run_tasks(plan, request.run, tasks, {*sweep, *fuser}, execution);
    } catch (const Error& error) {
      if (error.kind() != "interrupted") throw;
      throw Error(Failure::kIncomplete, "interrupted", "interrupted before all tasks were done", {},
                  "run the same command again: finished tasks are not done again");
    }
  }
  if (flags.json) {
    print_document({{"schema", "contourfuse.sweep.work/1"},
                    {"done", report.done},
                    {"found_done", report.found_done}});
  } else if (!flags.quiet) {
    print_text(fmt::format("tasks done: {}, done before: {}\n", report.done.size(),
                           report.found_done.size()));
  }
  return 0;
}

void add_work(CLI::App& sweep, Session& session) {
  CLI::App* command = add_command(
      sweep, session, "work", "Do tasks of a plan; those that are done are left alone",
      {"sweep work run --task 3", "sweep work run --task-from-env   # in a Slurm job array"});
  const auto request = std::make_shared<WorkRequest>();
  command->add_option("run", request->run, "Folder of the run")->required()->type_name("RUN");
  CLI::Option* task =
      command->add_option("--task", request->tasks, "Number of a task")->type_name("N");
  command
      ->add_flag("--task-from-env", request->from_environment,
                 "The tasks of this element of a Slurm job array: i, i + N, …")
      ->excludes(task);
  add_pinned_flag(*command, session);
  command->callback([&session, request, task] {
    if (task->count() == 0 && !request->from_environment) throw CLI::RequiredError("--task");
    session.action = [&session, request](const Execution& execution) {
      return work(*request, session.flags, execution);
    };
  });
}

void add_merge(CLI::App& sweep, Session& session) {
  CLI::App* command = add_command(
      sweep, session, "merge", "Merge the parts into results; ends with 75 while some are missing",
      {"sweep merge run"});
  const auto run = std::make_shared<fs::path>();
  command->add_option("run", *run, "Folder of the run")->required()->type_name("RUN");
  command->callback([&session, run] {
    session.action = [&session, run](const Execution&) {
      const Clock::time_point start = Clock::now();
      const SweepPlan plan = load_plan(*run);
      const MergedSweep merged = merge_parts(plan, *run);
      write_results(plan, *run, merged);
      write_report(plan, *run, merged);
      print_merged(plan, *run, merged, session.flags, start);
      return 0;
    };
  });
}

struct ReportRequest {
  fs::path run{};
  std::vector<std::string> materialize{};  ///< "ALPHA,GAMMA" and a folder
};

/// "8,0.5" as a point.
std::pair<double, double> parse_point(const std::string& text) {
  double alpha = 0;
  double gamma = 0;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, alpha);
  if (first.ec == std::errc{} && first.ptr != end && *first.ptr == ',') {
    const auto second = std::from_chars(first.ptr + 1, end, gamma);
    if (second.ec == std::errc{} && second.ptr == end) return {alpha, gamma};
  }
  throw Error(Failure::kUsage, "bad-point",
              fmt::format("--materialize \"{}\" is no point ALPHA,GAMMA", text), {},
              "for example --materialize 8,0.5 fused");
}

int report(const ReportRequest& request, const RunFlags& flags, const Execution& execution) {
  const Clock::time_point start = Clock::now();
  const SweepPlan plan = load_plan(request.run);
  const MergedSweep merged = merge_parts(plan, request.run);
  if (!request.materialize.empty()) {
    const auto [alpha, gamma] = parse_point(request.materialize.front());
    FuseSettings settings = point_settings(plan, alpha, gamma);
    settings.output = request.materialize.back();
    run_fuse(plan_fuse(settings), *make_backend(flags), execution);
  }
  write_report(plan, request.run, merged);
  print_merged(plan, request.run, merged, flags, start);
  return 0;
}

void add_report(CLI::App& sweep, Session& session) {
  CLI::App* command =
      add_command(sweep, session, "report", "Write the report page, or a point as a checkpoint",
                  {"sweep report run", "sweep report run --materialize 8,0.5 fused"});
  const auto request = std::make_shared<ReportRequest>();
  command->add_option("run", request->run, "Folder of the run")->required()->type_name("RUN");
  command
      ->add_option("--materialize", request->materialize,
                   "Fuse this point into a new folder; it need not be on the grid")
      ->type_name("ALPHA,GAMMA FOLDER")
      ->expected(2);
  add_pinned_flag(*command, session);
  command->callback([&session, request] {
    session.action = [&session, request](const Execution& execution) {
      return report(*request, session.flags, execution);
    };
  });
}

}  // namespace

void add_sweep_command(CLI::App& app, Session& session) {
  CLI::App* sweep = app.add_subcommand(
      "sweep", "Measure what every point of a grid of alpha and gamma does, in one pass");
  sweep->set_help_flag("--help,-h", "Show this help");
  sweep->set_version_flag("--version", "contourfuse " CONTOURFUSE_VERSION);
  sweep->require_subcommand(1);
  sweep->footer(
      "contourfuse sweep run does all on one machine. On many: sweep plan, then sweep work for "
      "each\ntask anywhere, then sweep merge. contourfuse sweep COMMAND --help shows more.");
  add_run(*sweep, session);
  add_plan(*sweep, session);
  add_work(*sweep, session);
  add_merge(*sweep, session);
  add_report(*sweep, session);
}

}  // namespace contourfuse
