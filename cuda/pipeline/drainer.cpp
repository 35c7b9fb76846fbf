// The thread of a worker that takes the device's results and writes.
#include "pipeline/drainer.hpp"

#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <variant>

namespace contourfuse::device {
namespace {

/// Where a matrix's numbers lie in the pinned memory for them.
constexpr std::uint64_t kScalingAt = 0;
constexpr std::uint64_t kRecordAt = kScalingAt + sizeof(Scaling);
constexpr std::uint64_t kMomentsAt = kRecordAt + sizeof(Record);
static_assert(kMomentsAt + sizeof(BlockMoments) <= kNumbersBytes);

template <class Value>
Value value_at(std::span<const std::byte> bytes, std::uint64_t at) {
  Value value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

}  // namespace

Drainer::Drainer(Worker& worker)
    : worker_(worker),
      run_(worker.run),
      device_(worker.device),
      numbers_there_(worker.device.create_event()) {}

void Drainer::work() {
  for (;;) {
    const Parcel parcel = worker_.parcels.take();
    check_running(run_);
    if (const auto* plain = std::get_if<PlainParcel>(&parcel)) {
      drain_plain(*plain);
    } else if (const auto* tile = std::get_if<TileParcel>(&parcel)) {
      with_tensor(run_.job.matrices[tile->matrix], [&] { drain_tile(*tile); });
    } else {
      return;
    }
  }
}

void Drainer::drain_plain(const PlainParcel& parcel) {
  const std::span<std::byte> bytes = parcel.slot.bytes().first(parcel.bytes);
  if (parcel.matrix) weight_hash_.update(bytes);
  {
    const Stage stage(device_, "write", bytes.size());
    run_.files.write_target(parcel.shard, parcel.offset, parcel.ticket, bytes,
                            ShardFiles::Bytes::kOfTheSource);
  }
  if (!parcel.matrix || !parcel.is_last) return;
  scaling_ = {};
  record_ = {};
  finish_matrix(*parcel.matrix,
                run_.job.matrices[*parcel.matrix].delta->stored() ? Hash128().hex() : "");
}

void Drainer::drain_tile(const TileParcel& parcel) {
  const MatrixJob& matrix = run_.job.matrices[parcel.matrix];
  const std::uint64_t element = editable_bytes(matrix.dtype);
  MatrixBuffers& buffers = *parcel.buffers;
  device_.wait(Stream::kOut, buffers.computed);
  if (parcel.is_last) take_numbers(parcel);
  const Windows windows(matrix, parcel.tile, worker_.out_slots.slot_bytes());
  std::uint64_t ticket = parcel.ticket;
  for (std::uint64_t i = 0; i < windows.count(); ++i) {
    check_running(run_);
    if (outgoing_.size() == worker_.out_slots.slots()) finish_oldest(matrix);
    const MatrixPart window = windows[i];
    SlotLease slot = worker_.out_slots.acquire();
    if (window.covered > 0) {
      const Stage stage(device_, "copy-out", window.covered * element);
      // At the window's end: they move to their places from there.
      device_.copy_out(Stream::kOut,
                       slot.bytes().data() + (window.size() - window.covered) * element,
                       buffers.weight.get() + (window.first - parcel.tile.first) * element,
                       window.covered * element);
      device_.record(Stream::kOut, slot.transferred());
    }
    outgoing_.push_back({std::move(slot), window, ticket++});
  }
  device_.record(Stream::kOut, buffers.emptied);
  buffers.was_emptied = true;
  worker_.free_sets.give(&buffers);
  while (!outgoing_.empty()) finish_oldest(matrix);
  if (parcel.is_last) finish_matrix(parcel.matrix, parcel.delta_hash);
}

void Drainer::take_numbers(const TileParcel& parcel) {
  const MatrixJob& matrix = run_.job.matrices[parcel.matrix];
  const std::span<std::byte> to = worker_.numbers;
  {
    const Stage stage(device_, "copy-out");
    device_.copy_out(Stream::kOut, to.data() + kScalingAt, parcel.buffers->scaling.get(),
                     sizeof(Scaling));
    device_.copy_out(Stream::kOut, to.data() + kRecordAt, parcel.record, sizeof(Record));
    device_.copy_out(Stream::kOut, to.data() + kMomentsAt, parcel.moments, sizeof(BlockMoments));
    device_.record(Stream::kOut, numbers_there_);
    device_.synchronize(numbers_there_);
  }
  scaling_ = value_at<Scaling>(to, kScalingAt);
  record_ = value_at<Record>(to, kRecordAt);
  check_scaling(matrix, scaling_, value_at<BlockMoments>(to, kMomentsAt).smallest);
  if (!run_.job.numbers.keep_nonfinite) check_finite(matrix, record_.bad);
}

void Drainer::finish_oldest(const MatrixJob& matrix) {
  const Outgoing oldest = std::move(outgoing_.front());
  outgoing_.pop_front();
  const std::uint64_t element = editable_bytes(matrix.dtype);
  const std::uint64_t offset = matrix.offset + oldest.window.begin * element;
  const std::span<std::byte> bytes = oldest.slot.bytes().first(oldest.window.size() * element);
  device_.synchronize(oldest.slot.transferred());
  const Stage stage(device_, "write", bytes.size());
  unpack(matrix, oldest.window, bytes, [&](std::uint64_t at, std::span<std::byte> run) {
    run_.files.read_source(matrix.shard, offset + at, run);
  });
  weight_hash_.update(bytes);
  run_.files.write_target(matrix.shard, offset, oldest.ticket, bytes, ShardFiles::Bytes::kEdited);
}

void Drainer::finish_matrix(std::size_t index, std::string delta_hash) {
  const MatrixJob& matrix = run_.job.matrices[index];
  matrix.delta->release();
  MatrixResult result = matrix_result(matrix, run_.job.numbers, scaling_, record_);
  result.weight_hash = std::exchange(weight_hash_, Hash128()).hex();
  result.delta_hash = std::move(delta_hash);
  run_.finished.add_matrix(index, std::move(result));
}

}  // namespace contourfuse::device
