// The grid cut into distinct edits and passes that fit in memory.
#include "contourfuse/sweep/output_grid.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_reduce.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "contourfuse/core/error.hpp"
#include "sweep/output_pass.hpp"
#include "sweep/output_points.hpp"

namespace contourfuse {
namespace {

/// Of a pass: 23 γ of a 31B layer at 256 tokens.
constexpr std::uint64_t kPassMemory = std::uint64_t{512} << 20;

/// One edit of a matrix, and the places on its axis that it serves.
struct Edit {
  float parameter = 0;
  std::vector<std::size_t> places{};
};

/// One edit a distinct value, ascending; values of `most` and above are one.
std::vector<Edit> distinct_edits(std::span<const float> parameters, float most) {
  std::map<float, Edit> edits;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Edit& edit = edits[std::min(parameters[i], most)];
    edit.parameter = parameters[i];
    edit.places.push_back(i);
  }
  std::vector<Edit> distinct;
  distinct.reserve(edits.size());
  for (auto& [value, edit] : edits) distinct.push_back(std::move(edit));
  return distinct;
}

/// One edit for the whole axis.
std::vector<Edit> one_edit(std::span<const float> parameters) {
  return distinct_edits(parameters, -std::numeric_limits<float>::infinity());
}

std::vector<float> parameters_of(std::span<const Edit> edits) {
  std::vector<float> parameters;
  for (const Edit& edit : edits) parameters.push_back(edit.parameter);
  return parameters;
}

class Measurement {
 public:
  Measurement(std::uint64_t memory, const OutputJob& job, Products& products,
              const Execution& execution)
      : memory_(memory),
        job_(job),
        execution_(execution),
        limit_(tbb::global_control::max_allowed_parallelism,
               static_cast<std::size_t>(execution.thread_count())),
        arena_(execution.thread_count()),
        work_{.job = job,
              .gate = OutputRows(job.gate, job),
              .up = OutputRows(job.up, job),
              .down = OutputRows(job.down, job),
              .products = products,
              .arena = arena_},
        points_(job.post_norm, work_.hidden()) {}

  OutputGrid run();

 private:
  [[nodiscard]] std::vector<Edit> gate_edits();
  [[nodiscard]] float largest_delta(float enough);
  void run_pass(std::span<const Edit> gates, std::span<const Edit> downs, std::uint64_t bytes);
  void write_pass(const OutputPass& pass, std::span<const Edit> gates, std::span<const Edit> downs);
  void write_base(std::span<const TokenState> tokens);
  void write_points(std::span<const TokenState> tokens, const Edit& gate, const Edit& down);
  void check_finite(double squares) const;

  std::uint64_t memory_;
  const OutputJob& job_;
  const Execution& execution_;
  tbb::global_control limit_;
  tbb::task_arena arena_;
  OutputWork work_;
  OutputPoints points_;
  OutputGrid grid_{};
};

/// max |d| of gate, or the largest of some first rows if that is `enough` already.
float Measurement::largest_delta(float enough) {
  const MatrixJob& gate = work_.gate.matrix();
  float largest = 0;
  for (std::uint64_t first = 0; first < gate.covered_rows && largest < enough;
       first += kTileNeurons) {
    execution_.check_cancelled();
    const std::uint64_t end = std::min(first + kTileNeurons, gate.covered_rows);
    const auto largest_of = [&](const tbb::blocked_range<std::uint64_t>& rows, float most) {
      std::vector<float> delta(gate.covered_cols);
      for (std::uint64_t row = rows.begin(); row < rows.end(); ++row) {
        work_.gate.read_delta({row, 0, gate.covered_cols}, delta.data());
        most = std::max(most, output_kernels().largest(delta.data(), delta.size()));
      }
      return most;
    };
    const auto larger = [](float a, float b) { return std::max(a, b); };
    largest = arena_.execute([&] {
      return tbb::parallel_reduce(tbb::blocked_range<std::uint64_t>(first, end), largest,
                                  largest_of, larger);
    });
  }
  return largest;
}

std::vector<Edit> Measurement::gate_edits() {
  const std::span<const float> gammas = job_.gate.parameters;
  if (!work_.gate.edited()) return one_edit(gammas);
  std::vector<Edit> edits = distinct_edits(gammas, std::numeric_limits<float>::infinity());
  // Two values share an edit only if neither clamps: the second largest tells.
  if (edits.size() < 2) return edits;
  const float second = edits[edits.size() - 2].parameter;
  const float largest =
      largest_delta(std::nextafter(second, std::numeric_limits<float>::infinity()));
  return largest > second ? edits : distinct_edits(gammas, largest);
}

OutputGrid Measurement::run() {
  const std::vector<Edit> gates = gate_edits();
  const std::vector<Edit> downs =
      work_.down.edited() && job_.exact
          ? distinct_edits(job_.down.parameters, std::numeric_limits<float>::infinity())
          : one_edit(job_.down.parameters);
  grid_.points.resize(job_.gate.parameters.size() * job_.down.parameters.size());
  if (gates.empty() || downs.empty()) return grid_;

  std::uint64_t downs_at_once = downs.size();
  while (downs_at_once > 1 && pass_bytes(work_, downs_at_once) > memory_) downs_at_once /= 2;
  const std::uint64_t gates_at_once =
      std::clamp<std::uint64_t>(memory_ / pass_bytes(work_, downs_at_once), 1, gates.size());
  const std::uint64_t passes = ((gates.size() + gates_at_once - 1) / gates_at_once) *
                               ((downs.size() + downs_at_once - 1) / downs_at_once);
  const std::uint64_t bytes = work_.gate.bytes() + work_.up.bytes() + work_.down.bytes();
  const auto some = [](std::span<const Edit> edits, std::size_t first, std::size_t most) {
    return edits.subspan(first, std::min(most, edits.size() - first));
  };
  std::uint64_t left = bytes;
  for (std::size_t g = 0; g < gates.size(); g += gates_at_once) {
    for (std::size_t d = 0; d < downs.size(); d += downs_at_once) {
      const bool last = g + gates_at_once >= gates.size() && d + downs_at_once >= downs.size();
      const std::uint64_t share = last ? left : bytes / passes;
      left -= share;
      run_pass(some(gates, g, gates_at_once), some(downs, d, downs_at_once), share);
    }
  }
  return std::move(grid_);
}

void Measurement::run_pass(std::span<const Edit> gates, std::span<const Edit> downs,
                           std::uint64_t bytes) {
  const std::vector<float> gammas = parameters_of(gates);
  const std::vector<float> alphas =
      work_.down.edited() ? parameters_of(downs) : std::vector<float>{};
  OutputPass pass(work_, gammas, alphas);
  const std::uint64_t tiles = (work_.intermediate() + kTileNeurons - 1) / kTileNeurons;
  for (std::uint64_t tile = 0; tile < tiles; ++tile) {
    execution_.check_cancelled();
    const std::uint64_t first = tile * kTileNeurons;
    pass.add_tile(first, std::min(kTileNeurons, work_.intermediate() - first));
    const std::uint64_t each = bytes / tiles;
    execution_.advance(tile + 1 == tiles ? bytes - each * tile : each);
  }
  write_pass(pass, gates, downs);
}

void Measurement::write_pass(const OutputPass& pass, std::span<const Edit> gates,
                             std::span<const Edit> downs) {
  const std::vector<float> y = pass.base();
  const std::vector<float> e = pass.gate_change();
  const std::uint64_t hidden = work_.hidden();
  std::vector<TokenState> tokens(work_.tokens());
  for (std::size_t d = 0; d < downs.size(); ++d) {
    const std::vector<float> q = pass.down_change(d);
    for (std::size_t g = 0; g < gates.size(); ++g) {
      arena_.execute([&] {
        tbb::parallel_for(std::uint64_t{0}, work_.tokens(), [&](std::uint64_t t) {
          const std::uint64_t at = (g * work_.tokens() + t) * hidden;
          tokens[t] = points_.state(y.data() + t * hidden, e.data() + at, q.data() + at);
        });
      });
      if (grid_.values == 0) write_base(tokens);
      write_points(tokens, gates[g], downs[d]);
    }
  }
}

void Measurement::check_finite(double squares) const {
  if (std::isfinite(squares)) return;
  throw Error(Failure::kBadInput, "non-finite", "the output of the MLP on the probe is not finite",
              {.file = job_.down.source->path().string(), .tensor = work_.down.matrix().name});
}

void Measurement::write_base(std::span<const TokenState> tokens) {
  OutputGrid base = points_.base(tokens);
  base.points = std::move(grid_.points);
  grid_ = std::move(base);
}

void Measurement::write_points(std::span<const TokenState> tokens, const Edit& gate,
                               const Edit& down) {
  const std::span<const float> alphas = job_.down.parameters;
  arena_.execute([&] {
    tbb::parallel_for(std::size_t{0}, down.places.size(), [&](std::size_t i) {
      const std::size_t alpha = down.places[i];
      const OutputPoint point =
          points_.point(tokens, job_.exact ? 1.0 : static_cast<double>(alphas[alpha]));
      check_finite(point.out2);
      for (const std::size_t gamma : gate.places) {
        grid_.points[gamma * alphas.size() + alpha] = point;
      }
    });
  });
}

}  // namespace

OutputGrid measure_outputs_within(std::uint64_t memory, const OutputJob& job, Products& products,
                                  const Execution& execution) {
  return Measurement(memory, job, products, execution).run();
}

OutputGrid measure_outputs(const OutputJob& job, Products& products, const Execution& execution) {
  return measure_outputs_within(kPassMemory, job, products, execution);
}

}  // namespace contourfuse
