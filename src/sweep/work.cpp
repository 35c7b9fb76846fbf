// Measuring layers and leaving parts.
#include "contourfuse/sweep/work.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "contourfuse/core/error.hpp"
#include "contourfuse/fusion/matrix_job.hpp"
#include "contourfuse/io/file.hpp"
#include "contourfuse/model/layer_norms.hpp"
#include "contourfuse/sweep/output_grid.hpp"
#include "contourfuse/sweep/part.hpp"
#include "contourfuse/sweep/probe.hpp"
#include "sweep/exact_grid.hpp"

namespace contourfuse {
namespace fs = std::filesystem;
namespace {

/// Small tasks go together until they have so many bytes of weights: enough for all threads, and
/// for the disk to be waited for rarely.
constexpr std::uint64_t kBatchBytes = std::uint64_t{256} << 20;

std::uint64_t weight_bytes(const PlannedMatrix& matrix) {
  return matrix.covered_shape[0] * matrix.covered_shape[1] * editable_bytes(matrix.view.dtype);
}

bool has_layer(std::span<const std::uint64_t> layers, std::uint64_t layer) {
  return std::find(layers.begin(), layers.end(), layer) != layers.end();
}

std::uint64_t weight_bytes(const SweepPlan& plan, std::span<const std::uint64_t> layers) {
  std::uint64_t bytes = 0;
  for (const PlannedMatrix& matrix : plan.fuse.matrices) {
    if (has_layer(layers, matrix.layer)) bytes += weight_bytes(matrix);
  }
  return bytes;
}

/// A planned matrix, what it is measured by and what was measured.
struct MeasuredMatrix {
  const PlannedMatrix* planned = nullptr;
  std::unique_ptr<DeltaReader> delta{};
  GridJob job{};
  MatrixGrid grid{};
};

class LayerMeasurement {
 public:
  LayerMeasurement(const SweepPlan& plan, std::span<const std::uint64_t> layers,
                   const SweepDevices& devices, const Execution& execution)
      : plan_(plan), layers_(layers), devices_(devices), execution_(execution) {
    if (!plan.settings.probe.empty()) probe_.emplace(plan.settings.probe);
  }

  std::vector<LayerGrid> run() {
    for (const PlannedMatrix& planned : plan_.fuse.matrices) {
      if (has_layer(layers_, planned.layer)) add(planned);
    }
    measure_matrices();
    std::vector<LayerGrid> grids;
    for (const std::uint64_t layer : layers_) {
      execution_.check_cancelled();
      grids.push_back(finish(*plan_.fuse.base.find_layer(layer)));
    }
    check_sources();
    return grids;
  }

 private:
  const File& source(std::size_t shard) {
    const auto found = sources_.find(shard);
    if (found != sources_.end()) return found->second;
    const fs::path path = plan_.fuse.base.folder / plan_.fuse.base.shards[shard].file;
    return sources_.emplace(shard, File::open(path)).first->second;
  }

  void add(const PlannedMatrix& planned) {
    MeasuredMatrix& matrix = matrices_.emplace_back();
    matrix.planned = &planned;
    matrix.delta =
        plan_.fuse.delta.reader(*plan_.fuse.base.find_layer(planned.layer), planned.role);
    const SweepSettings& settings = plan_.settings;
    matrix.job = {.source = &source(planned.shard),
                  .matrix = matrix_job(planned, matrix.delta.get()),
                  .alpha_rule = alpha_rule(settings.variance_norm),
                  .stochastic = settings.rounding == Rounding::kStochastic,
                  .values = planned.role == Role::kDown ? settings.alphas : settings.gammas};
  }

  void measure_matrices() {
    const int threads = execution_.thread_count();
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(threads));
    tbb::task_arena arena(threads);
    arena.execute([&] {
      tbb::parallel_for(
          std::size_t{0}, matrices_.size(), std::size_t{1},
          [&](std::size_t i) { measure(matrices_[i]); }, tbb::simple_partitioner());
    });
  }

  void measure(MeasuredMatrix& matrix) const {
    execution_.check_cancelled();
    matrix.grid = devices_.sweep.measure(matrix.job, execution_);
    if (!plan_.settings.exact) return;
    const ScfNumbers numbers = scf_numbers(plan_.fuse.settings.parameters);
    MatrixGrid exact = measure_exactly(matrix.job, numbers, devices_.fuse, execution_);
    exact.max_delta = matrix.grid.max_delta;
    for (std::size_t i = 0; i < exact.points.size(); ++i) {
      exact.points[i].parameter = matrix.grid.points[i].parameter;
    }
    matrix.grid = std::move(exact);
  }

  [[nodiscard]] MeasuredMatrix* find(std::uint64_t layer, Role role) {
    for (MeasuredMatrix& matrix : matrices_) {
      if (matrix.planned->layer == layer && matrix.planned->role == role) return &matrix;
    }
    return nullptr;
  }

  LayerGrid finish(const MlpLayer& layer) {
    LayerGrid grid;
    grid.layer = layer.layer;
    grid.kind = layer.kind;
    grid.output = measure_output(layer);
    for (const Role role : {Role::kGate, Role::kDown}) {
      MeasuredMatrix* matrix = find(layer.layer, role);
      if (matrix == nullptr) continue;
      (role == Role::kGate ? grid.gate : grid.down) = std::move(matrix->grid);
      matrix->delta->release();
    }
    return grid;
  }

  /// A role of the MLP, edited or not.
  OutputMatrix output_matrix(const MlpLayer& layer, Role role) {
    OutputMatrix output;
    if (const MeasuredMatrix* matrix = find(layer.layer, role)) {
      output.matrix = matrix->job.matrix;
      for (const GridPoint& point : matrix->grid.points) {
        output.parameters.push_back(point.parameter);
      }
    } else {
      const MatrixView& view = layer.role(role)->view;
      output.matrix = {.name = view.tensor,
                       .shard = layer.role(role)->shard,
                       .offset = view.file_offset,
                       .rows = view.rows,
                       .cols = view.cols,
                       .dtype = view.dtype};
      const SweepSettings& settings = plan_.settings;
      const std::size_t points =
          role == Role::kDown ? settings.alphas.size() : settings.gammas.size();
      if (role != Role::kUp) output.parameters.resize(points);
    }
    output.source = &source(layer.role(role)->shard);
    return output;
  }

  std::optional<OutputGrid> measure_output(const MlpLayer& layer) {
    const SweepSettings& settings = plan_.settings;
    if (settings.probe_tokens == 0) return std::nullopt;
    for (const Role role : {Role::kGate, Role::kUp, Role::kDown}) {
      if (!layer.role(role) || !is_editable(layer.role(role)->view.dtype)) return std::nullopt;
    }
    const Checkpoint& base = plan_.fuse.base;
    const LayerNorms norms = find_layer_norms(base, layer);
    OutputJob job;
    job.gate = output_matrix(layer, Role::kGate);
    job.up = output_matrix(layer, Role::kUp);
    job.down = output_matrix(layer, Role::kDown);
    job.activation = parse_activation(base.config.activation);
    if (probe_) {
      job.probe = probe_->rows(layer.layer, layer.hidden_size);
    } else {
      std::vector<float> weight;
      if (!norms.before.empty()) weight = read_norm_weight(base, layer, norms, norms.before);
      job.probe =
          seeded_probe(settings.probe_tokens, layer.hidden_size, settings.probe_seed, weight);
    }
    if (!norms.after.empty()) {
      job.post_norm = PostNorm{read_norm_weight(base, layer, norms, norms.after), norms.epsilon};
    }
    job.exact = settings.exact;
    job.stochastic = settings.rounding == Rounding::kStochastic;
    job.rounding_seed = settings.rounding_seed;
    if (!products_) products_ = devices_.sweep.products(execution_);
    return measure_outputs(job, *products_, execution_);
  }

  /// Refuses a base that changed since the plan was opened.
  void check_sources() const {
    for (const auto& [shard, file] : sources_) {
      if (file.identity() == plan_.fuse.base.shards[shard].identity) continue;
      throw Error(Failure::kBadInput, "input-changed", "the file changed while it was read",
                  {.file = file.path().string()}, "run again when nobody writes to the model");
    }
  }

  const SweepPlan& plan_;
  std::span<const std::uint64_t> layers_;
  const SweepDevices& devices_;
  const Execution& execution_;
  std::optional<ProbeFile> probe_{};
  std::map<std::size_t, File> sources_{};
  std::vector<MeasuredMatrix> matrices_{};
  std::unique_ptr<Products> products_{};
};

/// Tasks that are measured together, and their layers one after the other.
struct Batch {
  std::vector<std::size_t> tasks{};
  std::vector<std::uint64_t> layers{};
};

std::vector<Batch> batches_of(const SweepPlan& plan, const std::vector<std::size_t>& tasks) {
  std::vector<Batch> batches;
  std::uint64_t bytes = kBatchBytes;
  for (const std::size_t task : tasks) {
    if (bytes >= kBatchBytes) {
      batches.emplace_back();
      bytes = 0;
    }
    batches.back().tasks.push_back(task);
    batches.back().layers.insert(batches.back().layers.end(), plan.tasks[task].begin(),
                                 plan.tasks[task].end());
    bytes += weight_bytes(plan, plan.tasks[task]);
  }
  return batches;
}

/// Bytes that the measurements of the layers report as progress.
std::uint64_t progress_bytes(const SweepPlan& plan, std::span<const std::uint64_t> layers) {
  std::uint64_t bytes = weight_bytes(plan, layers);
  if (plan.settings.probe_tokens == 0) return bytes;
  for (const std::uint64_t number : layers) {
    for (const auto& matrix : plan.fuse.base.find_layer(number)->roles) {
      if (matrix) bytes += matrix->view.elements() * editable_bytes(matrix->view.dtype);
    }
  }
  return bytes;
}

}  // namespace

std::vector<LayerGrid> measure_layers(const SweepPlan& plan, std::span<const std::uint64_t> layers,
                                      const SweepDevices& devices, const Execution& execution) {
  return LayerMeasurement(plan, layers, devices, execution).run();
}

WorkReport run_tasks(const SweepPlan& plan, const fs::path& run, std::span<const std::size_t> tasks,
                     const SweepDevices& devices, const Execution& execution) {
  WorkReport report;
  std::vector<std::size_t> open;
  std::uint64_t bytes = 0;
  for (const std::size_t task : tasks) {
    if (read_part(plan, run, task)) {
      report.found_done.push_back(task);
    } else {
      open.push_back(task);
      bytes += progress_bytes(plan, plan.tasks[task]);
    }
  }
  execution.begin("sweep", bytes);
  for (const Batch& batch : batches_of(plan, open)) {
    execution.check_cancelled();
    check_contents(plan, batch.layers);
    const std::vector<LayerGrid> grids = measure_layers(plan, batch.layers, devices, execution);
    std::map<std::size_t, std::string> parts;
    auto next = grids.begin();
    for (const std::size_t task : batch.tasks) {
      const auto end = next + static_cast<std::ptrdiff_t>(plan.tasks[task].size());
      parts[task] = part_text(plan, task, {next, end});
      report.done.push_back(task);
      next = end;
    }
    publish_parts(run, parts);
  }
  execution.end();
  return report;
}

std::vector<std::size_t> tasks_of_element(std::size_t tasks, std::size_t index, std::size_t count) {
  std::vector<std::size_t> mine;
  for (std::size_t task = index; task < tasks; task += count) mine.push_back(task);
  return mine;
}

}  // namespace contourfuse
