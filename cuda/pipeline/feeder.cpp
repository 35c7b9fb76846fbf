// The thread of a worker that reads, and gives the device its work.
#include "pipeline/feeder.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace contourfuse::device {
/// The matrix that is fed.
struct Feeder::Matrix {
  const MatrixJob& job;
  const Section& section;
  Tiles tiles;
  bool needs_weight_moments;
  std::uint64_t ticket;
  MatrixBuffers* buffers = nullptr;
  std::optional<GeneratorTables> tables{};  ///< on the device, of a made delta
  Hash128 delta_hash{};
  const BlockMoments* delta_moments = nullptr;  ///< on the device, of all
};

Feeder::Feeder(Worker& worker) : worker_(worker), run_(worker.run), device_(worker.device) {}

void Feeder::work() {
  while (const auto section = run_.sections.next(worker_.plan.tile_elements)) {
    check_running(run_);
    if (section->matrix && run_.job.matrices[*section->matrix].covered() > 0) {
      with_tensor(run_.job.matrices[*section->matrix], [&] { feed_matrix(*section); });
    } else {
      feed_plain(*section);
    }
  }
  worker_.parcels.give(NoMoreParcels{});
}

void Feeder::feed_plain(const Section& section) {
  std::uint64_t ticket = section.ticket;
  for (std::uint64_t at = section.begin; at < section.end;) {
    check_running(run_);
    SlotLease slot = worker_.in_slots.acquire();
    const std::uint64_t count = std::min(section.end - at, slot.bytes().size());
    {
      const Stage stage(device_, "read", count);
      run_.files.read_source(section.shard, at, slot.bytes().first(count));
      run_.files.pass_source(section.shard, ticket, slot.bytes().first(count));
    }
    worker_.parcels.give(PlainParcel{.slot = std::move(slot),
                                     .shard = section.shard,
                                     .offset = at,
                                     .bytes = count,
                                     .ticket = ticket++,
                                     .matrix = section.matrix,
                                     .is_last = at + count == section.end});
    at += count;
  }
}

void Feeder::feed_matrix(const Section& section) {
  const MatrixJob& job = run_.job.matrices[*section.matrix];
  Matrix matrix{.job = job,
                .section = section,
                .tiles = Tiles(job, worker_.plan.tile_elements),
                .needs_weight_moments = needs_moments(job, run_.job.numbers),
                .ticket = section.ticket};
  take_buffers(matrix);
  if (const auto tables = job.delta->tables()) send_tables(matrix, *tables);
  if (matrix.tiles.count() == 1) {
    feed_whole(matrix);
  } else {
    feed_tiles(matrix);
  }
}

void Feeder::feed_whole(Matrix& matrix) {
  const MatrixPart tile = matrix.tiles[0];
  const std::uint64_t ticket = matrix.ticket;
  send_weight(matrix, tile, true);
  if (matrix.needs_weight_moments) measure_weight(matrix, tile);
  send_delta(matrix, tile, true);
  measure_delta(matrix, tile);
  settle(matrix);
  edit(matrix, tile);
  hand_over(matrix, tile, ticket, true);
}

void Feeder::feed_tiles(Matrix& matrix) {
  for (std::uint64_t i = 0; i < matrix.tiles.count(); ++i) {
    const MatrixPart tile = matrix.tiles[i];
    if (i > 0) device_.wait(Stream::kIn, matrix.buffers->computed);
    if (matrix.needs_weight_moments) {
      send_weight(matrix, tile, false);
      measure_weight(matrix, tile);
    }
    send_delta(matrix, tile, false);
    measure_delta(matrix, tile);
    device_.record(Stream::kCompute, matrix.buffers->computed);
  }
  settle(matrix);
  device_.wait(Stream::kIn, matrix.buffers->computed);
  for (std::uint64_t i = 0; i < matrix.tiles.count(); ++i) {
    const MatrixPart tile = matrix.tiles[i];
    const std::uint64_t ticket = matrix.ticket;
    // Where matrices are cut there is one set: this is the one that the drainer has emptied.
    if (i > 0) take_buffers(matrix);
    send_weight(matrix, tile, true);
    send_delta(matrix, tile, true);
    edit(matrix, tile);
    hand_over(matrix, tile, ticket, i + 1 == matrix.tiles.count());
  }
}

void Feeder::take_buffers(Matrix& matrix) {
  matrix.buffers = worker_.free_sets.take();
  if (!matrix.buffers->was_emptied) return;
  // The drainer has issued all copies out of the buffers; they may still be under way. Kernels wait
  // too: for what is copied in from here on.
  device_.wait(Stream::kIn, matrix.buffers->emptied);
}

void Feeder::send_tables(Matrix& matrix, const DeltaTables& tables) {
  MatrixBuffers& buffers = *matrix.buffers;
  if (const std::uint64_t bytes = table_bytes(tables); bytes > buffers.tables_bytes) {
    if (buffers.was_emptied) device_.synchronize(buffers.emptied);
    buffers.reserve_tables(device_, bytes);
  }
  const Stage stage(device_, "copy-in");
  std::byte* next = buffers.tables.get();
  const auto send = [&]<class Value>(std::span<const Value> values) {
    const std::span<const std::byte> bytes = std::as_bytes(values);
    for (std::uint64_t at = 0; at < bytes.size();) {
      SlotLease slot = worker_.in_slots.acquire();
      const std::uint64_t count = std::min(bytes.size() - at, slot.bytes().size());
      std::memcpy(slot.bytes().data(), bytes.data() + at, count);
      copy_in(next + at, std::move(slot), count);
      at += count;
    }
    const auto* place = static_cast<const Value*>(static_cast<const void*>(next));
    next += aligned_bytes(bytes.size());
    return place;
  };
  matrix.tables = GeneratorTables{.hidden = tables.hidden,
                                  .intermediate = tables.intermediate,
                                  .cells = tables.cells,
                                  .gains = tables.gains,
                                  .period = tables.period,
                                  .sources = tables.sources,
                                  .gate_table = send(tables.gate_table),
                                  .down_table = send(tables.down_table),
                                  .frames = send(tables.frames),
                                  .signs = send(tables.signs),
                                  .exponents = send(tables.exponents),
                                  .coefficients = send(tables.coefficients)};
  show_to_kernels(matrix);
}

void Feeder::send_weight(Matrix& matrix, const MatrixPart& tile, bool is_hashed) {
  const std::uint64_t element = editable_bytes(matrix.job.dtype);
  const Windows windows(matrix.job, tile, worker_.in_slots.slot_bytes());
  for (std::uint64_t i = 0; i < windows.count(); ++i) {
    check_running(run_);
    const MatrixPart window = windows[i];
    if (window.covered == 0 && !is_hashed) continue;
    SlotLease slot = worker_.in_slots.acquire();
    const std::span<std::byte> bytes = slot.bytes().first(window.size() * element);
    {
      const Stage stage(device_, "read", bytes.size());
      run_.files.read_source(matrix.job.shard, matrix.job.offset + window.begin * element, bytes);
      if (is_hashed) run_.files.pass_source(matrix.job.shard, matrix.ticket++, bytes);
      pack(matrix.job, window, bytes);
    }
    if (window.covered == 0) continue;
    copy_in(matrix.buffers->weight.get() + (window.first - tile.first) * element, std::move(slot),
            window.covered * element);
  }
  show_to_kernels(matrix);
}

void Feeder::send_delta(Matrix& matrix, const MatrixPart& tile, bool is_hashed) {
  if (matrix.tables) {
    device_.launch(Stream::kCompute, GenerateCall{.role = matrix.job.role,
                                                  .tables = *matrix.tables,
                                                  .first = tile.first,
                                                  .count = tile.covered,
                                                  .out = as<std::uint16_t>(matrix.buffers->delta)});
    return;
  }
  const std::uint64_t element = editable_bytes(matrix.job.delta_dtype);
  const std::uint64_t most = worker_.in_slots.slot_bytes() / element;
  for (std::uint64_t at = 0; at < tile.covered;) {
    check_running(run_);
    SlotLease slot = worker_.in_slots.acquire();
    const std::uint64_t count = std::min(tile.covered - at, most);
    const std::span<std::byte> bytes = slot.bytes().first(count * element);
    {
      const Stage stage(device_, "read", bytes.size());
      run_.files.read_delta(matrix.job, tile.first + at, bytes);
      if (is_hashed && matrix.job.delta->stored()) matrix.delta_hash.update(bytes);
    }
    copy_in(matrix.buffers->delta.get() + at * element, std::move(slot), bytes.size());
    at += count;
  }
  show_to_kernels(matrix);
}

void Feeder::copy_in(std::byte* to, SlotLease slot, std::uint64_t bytes) {
  const Stage stage(device_, "copy-in", bytes);
  device_.copy_in(Stream::kIn, to, slot.bytes().data(), bytes);
  device_.record(Stream::kIn, slot.transferred());
}

void Feeder::show_to_kernels(Matrix& matrix) {
  device_.record(Stream::kIn, matrix.buffers->filled);
  device_.wait(Stream::kCompute, matrix.buffers->filled);
}

void Feeder::measure_weight(Matrix& matrix, const MatrixPart& tile) {
  const Stage stage(device_, "moments");
  device_.launch(Stream::kCompute,
                 MomentsCall{.dtype = matrix.job.dtype,
                             .elements = matrix.buffers->weight.get(),
                             .count = tile.covered,
                             .blocks = as<BlockMoments>(matrix.buffers->weight_moments) +
                                       tile.first / kBlockElements});
}

void Feeder::measure_delta(Matrix& matrix, const MatrixPart& tile) {
  const Stage stage(device_, "moments");
  device_.launch(Stream::kCompute,
                 MomentsCall{.dtype = matrix.job.delta_dtype,
                             .elements = matrix.buffers->delta.get(),
                             .count = tile.covered,
                             .blocks = as<BlockMoments>(matrix.buffers->delta_moments) +
                                       tile.first / kBlockElements});
}

template <class Call, class Value>
const Value* Feeder::fold(Value* values, std::uint64_t count) {
  while (count > 1) {
    Value* const folded = values + count;
    device_.launch(Stream::kCompute, Call{.values = values, .count = count, .folded = folded});
    values = folded;
    count = (count + kFoldRun - 1) / kFoldRun;
  }
  return values;
}

void Feeder::settle(Matrix& matrix) {
  const Stage stage(device_, "scale");
  const ScfNumbers& numbers = run_.job.numbers;
  const std::uint64_t blocks = blocks_of(matrix.job.covered());
  const BlockMoments* weight = nullptr;
  if (matrix.needs_weight_moments) {
    weight = fold<FoldMomentsCall>(as<BlockMoments>(matrix.buffers->weight_moments), blocks);
  }
  matrix.delta_moments =
      fold<FoldMomentsCall>(as<BlockMoments>(matrix.buffers->delta_moments), blocks);
  const bool is_gate = matrix.job.role == ScfRole::kGate;
  device_.launch(
      Stream::kCompute,
      SettleCall{.weight = weight,
                 .delta = matrix.delta_moments,
                 .how = {.alpha = numbers.alpha,
                         .plain = is_gate ? numbers.gamma : static_cast<float>(numbers.alpha),
                         .rule = is_gate ? AlphaRule::kPlain : numbers.alpha_rule,
                         .covered = matrix.job.covered()},
                 .scaling = as<Scaling>(matrix.buffers->scaling)});
}

void Feeder::edit(Matrix& matrix, const MatrixPart& tile) {
  const Stage stage(device_, "scale");
  device_.launch(Stream::kCompute, ScfCall{.role = matrix.job.role,
                                           .weight_dtype = matrix.job.dtype,
                                           .delta_dtype = matrix.job.delta_dtype,
                                           .stochastic = run_.job.numbers.stochastic,
                                           .weight = matrix.buffers->weight.get(),
                                           .delta = matrix.buffers->delta.get(),
                                           .range = {.first = tile.first,
                                                     .count = tile.covered,
                                                     .covered_cols = matrix.job.covered_cols,
                                                     .cols = matrix.job.cols},
                                           .scaling = as<Scaling>(matrix.buffers->scaling),
                                           .key = {.seed = run_.job.numbers.rounding_seed,
                                                   .tensor_hash = xxh3_64(matrix.job.name)},
                                           .records = as<Record>(matrix.buffers->records) +
                                                      tile.first / kBlockElements});
}

void Feeder::hand_over(Matrix& matrix, const MatrixPart& tile, std::uint64_t ticket, bool is_last) {
  TileParcel parcel{.buffers = matrix.buffers,
                    .matrix = *matrix.section.matrix,
                    .tile = tile,
                    .ticket = ticket,
                    .is_last = is_last};
  if (is_last) {
    parcel.record =
        fold<FoldRecordsCall>(as<Record>(matrix.buffers->records), blocks_of(matrix.job.covered()));
    parcel.moments = matrix.delta_moments;
    if (matrix.job.delta->stored()) parcel.delta_hash = matrix.delta_hash.hex();
  }
  device_.record(Stream::kCompute, matrix.buffers->computed);
  worker_.parcels.give(std::move(parcel));
}

}  // namespace contourfuse::device
