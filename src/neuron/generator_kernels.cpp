// Lane-shaped loops that the compiler vectorises; compiled once per instruction-set level.
#include "neuron/generator_kernels.hpp"

#include <cstring>

#include "contourfuse/numeric/delta_element.hpp"

namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE {
namespace {

void frame_row(const std::uint16_t* __restrict table, std::uint32_t period, std::uint64_t frame,
               std::uint64_t first, std::size_t count, const std::uint16_t* __restrict signs,
               std::uint16_t* __restrict out) {
  constexpr std::size_t kLanes = 32;
  std::uint32_t index[kLanes];
  std::uint32_t next = frame_entry(first, frame, period);
  const auto step = static_cast<std::uint32_t>(2 * frame % period);
  for (std::size_t l = 0; l < kLanes; ++l) {
    index[l] = next;
    next = next_entry(next, step, period);
  }
  const auto stride = static_cast<std::uint32_t>(kLanes * std::uint64_t{step} % period);
  signs += first;
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    std::uint16_t value[kLanes];
    for (std::size_t l = 0; l < kLanes; ++l) value[l] = table[index[l]];
    for (std::size_t l = 0; l < kLanes; ++l) {
      out[i + l] = static_cast<std::uint16_t>(value[l] ^ signs[i + l]);
    }
    for (std::size_t l = 0; l < kLanes; ++l) index[l] = next_entry(index[l], stride, period);
  }
  for (std::size_t l = 0; i + l < count; ++l) {
    out[i + l] = static_cast<std::uint16_t>(table[index[l]] ^ signs[i + l]);
  }
}

void scaled_row(const std::uint16_t* __restrict base, std::size_t count, int exponent,
                bool mirrored, std::uint16_t* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = scaled_element(base[i], exponent, mirrored);
}

void start_indices(const std::uint32_t* __restrict frames, std::size_t cells, std::uint64_t odd,
                   std::uint32_t period, std::uint32_t* __restrict indices) {
  // (2h+1)·r′ < period²/8: with a product below 2^31 the quotient by f64 is off by at most one.
  if (std::uint64_t{period} * period / 8 > 0x7FFFFFFFU) {
    for (std::size_t j = 0; j < cells; ++j) {
      indices[j] = static_cast<std::uint32_t>(odd * frames[j] % period);
    }
    return;
  }
  const double inverse = 1.0 / period;
  const auto factor = static_cast<std::uint32_t>(odd);
  for (std::size_t j = 0; j < cells; ++j) {
    const std::uint32_t product = factor * frames[j];
    const auto quotient =
        static_cast<std::uint32_t>(static_cast<int>(static_cast<int>(product) * inverse));
    const std::uint32_t rest = product - period * quotient;
    const std::uint32_t raised = rest + period;
    indices[j] = next_entry(raised < rest ? raised : rest, 0, period);
  }
}

// kCells cells from the one at which the pointers stand.
template <std::size_t kGains, std::size_t kCells, std::size_t kRows>
inline __attribute__((always_inline)) void down_block(
    const float* __restrict table, std::uint32_t period, std::uint32_t* __restrict indices,
    const std::uint32_t* __restrict steps, const float* __restrict coefficients,
    const std::uint16_t* __restrict signs, std::size_t stride, std::uint16_t* __restrict out) {
  for (std::size_t r = 0; r < kRows; ++r) {
    const std::uint32_t mirror = pair_mirror(signs[r]);
    float wave[kCells];
    alignas(64) float spread[kCells * kGains];
    for (std::size_t l = 0; l < kCells; ++l) wave[l] = table[indices[l]];
    for (std::size_t l = 0; l < kCells; ++l) indices[l] = next_entry(indices[l], steps[l], period);
    for (std::size_t l = 0; l < kCells; ++l) {
      for (std::size_t p = 0; p < kGains; ++p) spread[kGains * l + p] = wave[l];
    }
    std::uint16_t* pairs = out + r * stride;
    for (std::size_t i = 0; i < kCells * kGains; ++i) {
      const std::uint32_t pair = mirrored_pair(coefficients[i] * spread[i], mirror);
      std::memcpy(pairs + 2 * i, &pair, sizeof pair);  // rows of odd length begin between two words
    }
  }
}

// Any number of gains, cell by cell.
void down_cells(const DownRun& run, std::size_t first, std::uint32_t* __restrict indices,
                std::uint16_t* __restrict out) {
  for (std::size_t r = 0; r < run.rows; ++r) {
    const std::uint32_t mirror = pair_mirror(run.signs[r]);
    for (std::size_t j = first; j < run.cells; ++j) {
      const float wave = run.table[indices[j]];
      indices[j] = next_entry(indices[j], run.steps[j], run.period);
      std::uint16_t* pairs = out + r * run.stride + 2 * run.gains * j;
      const float* __restrict k = run.coefficients + run.gains * j;
      for (std::size_t p = 0; p < run.gains; ++p) {
        const std::uint32_t pair = mirrored_pair(k[p] * wave, mirror);
        std::memcpy(pairs + 2 * p, &pair, sizeof pair);
      }
    }
  }
}

template <std::size_t kGains, std::size_t kRows>
std::size_t down_blocks(const DownRun& run, std::uint32_t* indices, std::uint16_t* out) {
  constexpr std::size_t kCells = 16;
  std::size_t j = 0;
  for (; j + kCells <= run.cells; j += kCells) {
    down_block<kGains, kCells, kRows>(run.table, run.period, indices + j, run.steps + j,
                                      run.coefficients + kGains * j, run.signs, run.stride,
                                      out + 2 * kGains * j);
  }
  return j;
}

void down_rows(const DownRun& run, std::uint32_t* indices, std::uint16_t* out) {
  std::size_t done = 0;
  if (run.gains == 8 && run.rows == kRowsAtOnce) {
    done = down_blocks<8, kRowsAtOnce>(run, indices, out);
  } else if (run.gains == 8 && run.rows == 1) {
    done = down_blocks<8, 1>(run, indices, out);
  } else if (run.gains == 4 && run.rows == kRowsAtOnce) {
    done = down_blocks<4, kRowsAtOnce>(run, indices, out);
  } else if (run.gains == 4 && run.rows == 1) {
    done = down_blocks<4, 1>(run, indices, out);
  }
  down_cells(run, done, indices, out);
}

}  // namespace

extern const GeneratorKernels kKernels;
const GeneratorKernels kKernels{frame_row, scaled_row, start_indices, down_rows};

}  // namespace contourfuse::CONTOURFUSE_KERNELS_NAMESPACE
