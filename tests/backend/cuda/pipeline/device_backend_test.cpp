// The backend over emulated devices: equal to the CPU backend, however late and in whatever order
// the devices do their work.
#include "pipeline/device_backend.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "backend/cuda/pipeline/device_fuse.hpp"
#include "contourfuse/neuron/generator.hpp"

namespace contourfuse {
namespace {

using test::describe;
using test::DeviceLedger;
using test::DeviceSetup;
using test::FuseFixture;
using test::kDown;
using test::kGate;
using test::kIsSanitized;
using test::MatrixSpec;
using test::Timing;

constexpr DType kBf16 = DType::kBF16;
constexpr DType kF16 = DType::kF16;
constexpr DType kF32 = DType::kF32;

/// All kinds of coverage, folds of one to two levels, odd offsets, shards with nothing to edit or
/// in them.
void fill(FuseFixture& fuse) {
  fuse.add_shard();
  fuse.add_bytes(1001);
  fuse.add_matrix({100, 300, 100, 300, kBf16, kBf16, kDown});
  fuse.add_matrix({0, 7, 0, 7, kBf16, kBf16, kDown});
  fuse.add_matrix({90, 210, 80, 170, kF16, kF32, kGate});  // fewer rows and columns
  fuse.add_bytes(40'003);
  fuse.add_shard();
  fuse.add_bytes(777);
  fuse.add_shard();
  fuse.add_matrix({120, 160, 110, 160, kF32, kF16, kDown});  // fewer rows
  fuse.add_matrix({40, 500, 40, 499, kBf16, kF32, kDown});   // fewer columns
  fuse.add_matrix({3, 5, 1, 1, kBf16, kF16, kGate});
  fuse.add_matrix({100, 100, 0, 0, kF16, kF16, kDown});
  fuse.add_matrix({200, 410, 200, 410, kBf16, kBf16, kGate});
  fuse.add_shard();
}

constexpr ScfNumbers kSigmaRatio{.alpha = 0.7, .gamma = 0.5F};
constexpr ScfNumbers kStochastic{.alpha = 0.3,
                                 .gamma = 1.5F,
                                 .alpha_rule = AlphaRule::kInverseSigma,
                                 .stochastic = true,
                                 .rounding_seed = 0xABCDEF0123456789U};
constexpr ScfNumbers kPlain{.alpha = 2.5, .gamma = 0.05F, .alpha_rule = AlphaRule::kPlain};

/// One setup for every timing.
std::vector<DeviceSetup> every_timing() {
  std::vector<DeviceSetup> setups;
  for (const Timing timing : test::kTimings) {
    setups.push_back({.devices = {{.timing = timing}}});
  }
  return setups;
}

TEST(DeviceBackend, EqualsTheCpuUnderSigmaRatio) {
  FuseFixture fuse;
  fill(fuse);
  fuse.job.numbers = kSigmaRatio;
  expect_same_as_cpu(fuse, every_timing());
}

TEST(DeviceBackend, EqualsTheCpuUnderInverseSigmaWithStochasticRounding) {
  FuseFixture fuse;
  fill(fuse);
  fuse.job.numbers = kStochastic;
  expect_same_as_cpu(fuse, every_timing());
}

TEST(DeviceBackend, EqualsTheCpuWithoutANorm) {
  FuseFixture fuse;
  fill(fuse);
  fuse.job.numbers = kPlain;
  fuse.job.read_method = ReadMethod::kMmap;
  expect_same_as_cpu(fuse, every_timing());
}

TEST(DeviceBackend, EqualsTheCpuByEveryMethodOfTransfer) {
  FuseFixture fuse;
  fill(fuse);
  fuse.add_bytes(5'000'001);
  fuse.job.numbers = kSigmaRatio;
  fuse.deltas_in_files = true;
  for (const bool direct : {false, true}) {
    for (const CopyMethod copying :
         {CopyMethod::kWrite, CopyMethod::kCloned, CopyMethod::kCopyRange}) {
      fuse.job.read_method = direct ? ReadMethod::kDirect : ReadMethod::kPread;
      fuse.job.write_direct = direct;
      fuse.copying = copying;
      expect_same_as_cpu(fuse, {{.devices = {{.timing = test::kTimings[0]}}}});
    }
  }
}

TEST(DeviceBackend, EqualsTheCpuForEveryPairOfTypes) {
  FuseFixture fuse;
  fuse.add_shard();
  for (const DType weight : test::kEditable) {
    for (const DType delta : test::kEditable) {
      for (const ScfRole role : {kDown, kGate}) {
        fuse.add_matrix({31, 300, 31, 300, weight, delta, role});
      }
    }
  }
  for (const ScfNumbers& numbers : {kSigmaRatio, kStochastic}) {
    fuse.job.numbers = numbers;
    expect_same_as_cpu(fuse, {{}});
  }
}

TEST(DeviceBackend, EqualsTheCpuWithAnyNumberOfDevicesInAnyOrder) {
  FuseFixture fuse;
  fill(fuse);
  fill(fuse);
  fuse.job.numbers = kStochastic;
  std::vector<DeviceSetup> setups;
  for (const std::size_t devices : {1U, 2U, 8U}) {
    for (std::uint32_t seed = 1; seed <= (kIsSanitized ? 2U : 8U); ++seed) {
      setups.push_back(test::devices_of_speeds(devices, Timing::kRandom, seed * 100));
    }
    setups.push_back(test::devices_of_speeds(devices, Timing::kLate, 1));
    setups.push_back(test::devices_of_speeds(devices, Timing::kOthersFirst, 1));
  }
  expect_same_as_cpu(fuse, setups);
}

TEST(DeviceBackend, EqualsTheCpuWhenMatricesGoInTiles) {
  FuseFixture fuse;
  fill(fuse);
  std::vector<DeviceSetup> setups;
  // Tiles of one and of two blocks; all whole in one set of buffers.
  for (const std::uint64_t bytes : {70'000U, 140'000U, 400'000U}) {
    for (DeviceSetup setup : every_timing()) {
      setup.options.device_bytes = bytes;
      setups.push_back(setup);
    }
  }
  setups.push_back(test::devices_of_speeds(3, Timing::kRandom, 1));
  setups.back().devices[1].memory = 160'000;  // not all cut alike
  for (const ScfNumbers& numbers : {kStochastic, kPlain}) {
    fuse.job.numbers = numbers;
    expect_same_as_cpu(fuse, setups);
  }
}

TEST(DeviceBackend, EditsFilesInPlace) {
  FuseFixture fuse;
  fill(fuse);
  fuse.job.numbers = kSigmaRatio;
  FuseFixture::Outcome expected = on_cpu(fuse);
  fuse.in_place = true;
  expected.results.bytes_written = on_cpu(fuse).results.bytes_written;
  std::vector<DeviceSetup> setups = every_timing();
  setups.push_back(test::devices_of_speeds(3, Timing::kRandom, 1));
  for (DeviceSetup setup : every_timing()) {
    setup.options.device_bytes = 70'000;  // in tiles
    setups.push_back(setup);
  }
  for (const bool direct : {false, true}) {
    fuse.job.read_method = direct ? ReadMethod::kDirect : ReadMethod::kMmap;
    fuse.job.write_direct = direct;
    for (const DeviceSetup& setup : setups) {
      SCOPED_TRACE(describe(setup));
      DeviceLedger ledger;
      expect_same(on_devices(fuse, setup, ledger), expected);
    }
  }
}

TEST(DeviceBackend, CutsMatricesThatAreLargerThanItsMemory) {
  FuseFixture fuse;
  fuse.add_shard();
  fuse.add_matrix({200, 410, 200, 410, kBf16, kBf16, kDown});  // 11 blocks
  fuse.job.numbers = kSigmaRatio;
  const auto edits = [&](std::uint64_t device_bytes) {
    DeviceSetup setup;
    setup.options.device_bytes = device_bytes;
    DeviceLedger ledger;
    on_devices(fuse, setup, ledger);
    return ledger.edited.load();
  };
  EXPECT_EQ(edits(400'000), 1);
  EXPECT_EQ(edits(100'000), 6);  // two blocks in each
  EXPECT_EQ(edits(40'000), 11);
}

TEST(DeviceBackend, EqualsTheCpuWithTheSmallestSlots) {
  FuseFixture fuse;
  fuse.add_shard();
  fuse.add_bytes(333);
  fuse.add_matrix({20, 50, 19, 41, kF32, kBf16, kDown});
  fuse.job.numbers = kSigmaRatio;
  DeviceSetup setup;
  setup.options = {.pinned_bytes = 448, .slot_bytes = 1};
  expect_same_as_cpu(fuse, {setup});
}

TEST(DeviceBackend, EqualsTheCpuWithSlotsThatSeveralThreadsFill) {
  FuseFixture fuse;
  fuse.add_shard();
  fuse.add_bytes(5'000'001);
  fuse.add_matrix({100, 300, 100, 300, kBf16, kBf16, kDown});
  fuse.job.numbers = kSigmaRatio;
  DeviceSetup setup;
  setup.options = {.pinned_bytes = 16U << 20, .slot_bytes = 3'000'000};
  expect_same_as_cpu(fuse, {setup});
}

TEST(DeviceBackend, WorksWithoutTargetsAndWithoutMatrices) {
  FuseFixture fuse;
  fill(fuse);
  fuse.job.numbers = kSigmaRatio;
  const auto expected = fuse.run(2, false);
  test::restart_deltas(fuse);
  DeviceLedger ledger;
  const DeviceSetup setup = test::devices_of_speeds(2, Timing::kLate, 1);
  use_devices(fuse, setup, ledger);
  expect_same(fuse.run(2, false), expected);
  expect_clean(ledger, setup);

  FuseFixture plain;
  plain.add_shard();
  plain.add_bytes(100'000);
  expect_same_as_cpu(plain, {setup});
}

TEST(DeviceBackend, ComputesOneMatrixWithoutTheRestOfItsShard) {
  FuseFixture fuse;
  fuse.add_shard();
  fuse.add_bytes(1001);
  fuse.add_matrix({30, 300, 30, 300, kBf16, kBf16, kDown});
  fuse.add_bytes(40'003);
  fuse.add_matrix({90, 210, 80, 170, kBf16, kBf16, kDown});
  fuse.add_bytes(7);
  fuse.job.numbers = {.alpha = 0.7, .gamma = 0.5F};
  const DeviceSetup setup = every_timing().front();
  DeviceLedger ledger;
  use_devices(fuse, setup, ledger);
  const auto whole = fuse.run(2, false);
  fuse.job.matrices.erase(fuse.job.matrices.begin());
  fuse.first_byte = fuse.job.matrices[0].offset;
  restart_deltas(fuse);
  const auto part = fuse.run(2, false);
  EXPECT_EQ(part.results.matrices[0].weight_hash, whole.results.matrices[1].weight_hash);
  EXPECT_EQ(part.results.matrices[0].counts.changed, whole.results.matrices[1].counts.changed);
  Hash128 tail;
  tail.update(std::span(fuse.shards[0]).subspan(fuse.first_byte));
  EXPECT_EQ(part.results.shards[0].source_hash, tail.hex());
}

TEST(DeviceBackend, CountsWhatItReads) {
  FuseFixture fuse;
  fuse.add_shard();
  fuse.add_bytes(5001);
  fuse.add_matrix({100, 300, 100, 300, kBf16, kF32, kDown});
  fuse.add_matrix({100, 300, 90, 300, kBf16, kBf16, kGate}).is_stored = false;
  fuse.job.numbers = kSigmaRatio;
  DeviceLedger ledger;
  const auto outcome = on_devices(fuse, {}, ledger);
  const std::uint64_t delta = fuse.deltas.front().elements().size();
  EXPECT_EQ(outcome.results.delta_bytes_read, delta);
  // The uncovered bytes twice: once on the way in, once around what comes out.
  EXPECT_EQ(outcome.results.bytes_read, fuse.shards[0].size() + 10 * 300 * 2 + delta);
  EXPECT_EQ(outcome.results.bytes_written, fuse.shards[0].size());
}

TEST(DeviceBackend, ReportsEveryByteAsProgress) {
  struct Counter final : Progress {
    void begin(std::string_view, std::uint64_t total_bytes) override { total = total_bytes; }
    void advance(std::uint64_t bytes) override { done += bytes; }
    std::uint64_t total = 0;
    std::atomic<std::uint64_t> done = 0;
  } counter;
  FuseFixture fuse;
  fill(fuse);
  fuse.job.numbers = kSigmaRatio;
  DeviceLedger ledger;
  const DeviceSetup setup = test::devices_of_speeds(2, Timing::kRandom, 1);
  use_devices(fuse, setup, ledger);
  fuse.run(2, true, {.progress = &counter});
  EXPECT_GT(counter.total, 0U);
  EXPECT_EQ(counter.done, counter.total);
}

TEST(DeviceBackend, LeavesAMatrixWhoseDeltaIsZero) {
  for (const ScfNumbers& numbers : {kSigmaRatio, kStochastic, kPlain}) {
    for (const ScfRole role : {kDown, kGate}) {
      FuseFixture fuse;
      fuse.add_shard();
      fuse.add_matrix({100, 90, 100, 90, kBf16, kBf16, role});
      test::MemoryDelta zero(kBf16, std::vector<std::byte>(100 * 90 * 2));
      fuse.job.matrices[0].delta = &zero;
      fuse.set_weight(0, 17, 0x8000);  // −0 keeps its sign
      fuse.job.numbers = numbers;
      const auto expected = on_cpu(fuse);
      DeviceLedger ledger;
      const auto got = on_devices(fuse, {}, ledger);
      expect_same(got, expected);
      EXPECT_TRUE(got.results.matrices[0].delta_is_zero);
      EXPECT_TRUE(got.files[0] == fuse.shards[0]);
    }
  }
}

/// Elements that are not finite at several places of three matrices.
void fill_with_bad(FuseFixture& fuse, AlphaRule rule) {
  fuse.add_shard();
  fuse.add_matrix({150, 100, 150, 75, kF16, kBf16, kDown});
  fuse.add_matrix({150, 100, 150, 100, kF16, kBf16, kDown});
  fuse.add_matrix({150, 100, 150, 100, kF16, kBf16, kGate});
  for (std::size_t matrix = 0; matrix < 3; ++matrix) {
    for (const std::uint64_t at : {0U, 1U, 74U, 8192U, 14'950U}) {
      fuse.set_weight(matrix, at, 0x7C01 + static_cast<std::uint32_t>(at % 7));
    }
    fuse.set_weight(matrix, 10'000, 0xFC00);
    fuse.set_weight(matrix, 10'001, 0x7BFF);  // the result may overflow
  }
  fuse.job.numbers = {.alpha = 3, .gamma = 0.5F, .alpha_rule = rule};
}

TEST(DeviceBackend, KeepsNonFiniteElementsWhenAsked) {
  for (const AlphaRule rule : {AlphaRule::kSigmaRatio, AlphaRule::kPlain}) {
    FuseFixture fuse;
    fill_with_bad(fuse, rule);
    fuse.job.numbers.keep_nonfinite = true;
    DeviceSetup tiled;
    tiled.options.device_bytes = 50'000;
    expect_same_as_cpu(fuse, {{}, tiled});
  }
}

void expect_same_failure(FuseFixture& fuse) {
  fuse.make_backend = make_cpu_backend;
  const Error expected = test::failure_of(fuse, 1);
  test::restart_deltas(fuse);
  for (const DeviceSetup& setup : every_timing()) {
    DeviceLedger ledger;
    use_devices(fuse, setup, ledger);
    const Error got = test::failure_of(fuse, 1);
    EXPECT_STREQ(got.what(), expected.what());
    EXPECT_EQ(got.kind(), expected.kind());
    EXPECT_EQ(got.failure(), expected.failure());
    EXPECT_EQ(got.hint(), expected.hint());
    expect_clean(ledger, setup);
    test::restart_deltas(fuse);
  }
}

TEST(DeviceBackend, RefusesNonFiniteElementsAsTheCpuDoes) {
  FuseFixture fuse;
  fill_with_bad(fuse, AlphaRule::kSigmaRatio);
  expect_same_failure(fuse);
}

TEST(DeviceBackend, RefusesDeltasWithoutSpreadAsTheCpuDoes) {
  FuseFixture fuse;
  fuse.add_shard();
  fuse.add_matrix({100, 90, 100, 90, kBf16, kF32, kDown});
  std::vector<std::byte> threes(100 * 90 * 4);
  for (std::size_t i = 0; i < threes.size(); i += 4) {
    test::store(kF32, threes.data() + i, bits_of_float(3));
  }
  const test::MemoryDelta equal(kF32, threes);
  fuse.job.matrices[0].delta = &equal;
  fuse.job.numbers = kSigmaRatio;
  expect_same_failure(fuse);
}

/// A delta made from a recipe's tables.
class RecipeDelta final : public DeltaReader {
 public:
  RecipeDelta(const LayerGenerator& generator, Role role, bool shows_tables)
      : generator_(generator), role_(role), shows_tables_(shows_tables) {}
  void read(std::uint64_t first, std::span<std::byte> out) const override {
    ++reads;
    std::vector<std::uint16_t> bits(out.size() / 2);
    generator_.generate(role_, first, bits);
    std::memcpy(out.data(), bits.data(), out.size());
  }
  [[nodiscard]] std::optional<DeltaTables> tables() const override {
    if (!shows_tables_) return std::nullopt;
    return generator_.tables(role_);
  }
  [[nodiscard]] bool stored() const noexcept override { return false; }

  mutable std::atomic<int> reads = 0;

 private:
  const LayerGenerator& generator_;
  Role role_;
  bool shows_tables_;
};

LayerGenerator make_generator(std::uint64_t layer, std::uint64_t hidden,
                              std::uint64_t intermediate) {
  DeltaRecipe recipe{.seed = 0x1122334455667788};
  const std::vector<float> gains{0.5F, 1, 2, 32};
  for (const float sign : {1.0F, -1.0F}) {
    recipe.bank.sources.push_back({.name = "s",
                                   .kind = LayerUse::kBoth,
                                   .function = PiecewiseLinear({}, {1}),
                                   .gains = gains,
                                   .coefficients = {sign, -0.5F, 0.015625F, -1.5F}});
  }
  return {recipe,
          {.layer = layer,
           .kind = LayerKind::kGlobal,
           .hidden_size = hidden,
           .intermediate_size = intermediate,
           .cells = intermediate / 8}};
}

TEST(DeviceBackend, MakesRecipeDeltasOnTheDevice) {
  // The second has larger tables than the first: they are made room for.
  const LayerGenerator first = make_generator(3, 90, 301);
  const LayerGenerator second = make_generator(4, 110, 640);
  for (const ScfNumbers& numbers : {kSigmaRatio, kPlain}) {
    FuseFixture fuse;
    fuse.add_shard();
    fuse.add_matrix({90, 320, 90, 301, kBf16, kBf16, kDown});
    fuse.add_matrix({301, 90, 301, 90, kF32, kBf16, kGate});
    fuse.add_matrix({110, 640, 110, 640, kBf16, kBf16, kDown});
    fuse.add_matrix({640, 110, 640, 110, kBf16, kBf16, kGate});
    fuse.add_matrix({90, 320, 90, 301, kBf16, kBf16, kDown});
    fuse.job.numbers = numbers;
    std::list<RecipeDelta> deltas;
    const auto use = [&](bool shows_tables) {
      deltas.clear();
      for (MatrixJob& matrix : fuse.job.matrices) {
        const LayerGenerator& generator = matrix.covered() > 40'000 ? second : first;
        const Role role = matrix.role == kDown ? Role::kDown : Role::kGate;
        matrix.delta = &deltas.emplace_back(generator, role, shows_tables);
      }
    };
    use(false);
    const auto expected = on_cpu(fuse);
    for (const std::uint64_t device_bytes : {64'000'000U, 100'000U}) {
      for (DeviceSetup setup : every_timing()) {
        setup.options.device_bytes = device_bytes;
        use(true);
        DeviceLedger ledger;
        expect_same(on_devices(fuse, setup, ledger), expected);
        EXPECT_GT(ledger.generated, 0);
        for (const RecipeDelta& delta : deltas) EXPECT_EQ(delta.reads, 0);
      }
    }
    use(false);
    DeviceLedger ledger;
    expect_same(on_devices(fuse, {}, ledger), expected);
    EXPECT_EQ(ledger.generated, 0);
  }
}

TEST(DeviceBackend, LetsCallsOfADeviceTakeTurns) {
  FuseFixture fuse;
  fuse.add_shard();
  for (int i = 0; i < 5; ++i) fuse.add_matrix({100, 300, 100, 300, kBf16, kBf16, kGate});
  fuse.job.numbers = kPlain;
  DeviceSetup setup;
  setup.devices[0].call_delay_us = 50;
  expect_same_as_cpu(fuse, {setup});
}

TEST(DeviceBackend, RunsOneJobAfterAnother) {
  FuseFixture fuse;
  fill(fuse);
  fuse.job.numbers = kSigmaRatio;
  const auto expected = on_cpu(fuse);
  DeviceLedger ledger;
  const DeviceSetup setup = test::devices_of_speeds(2, Timing::kRandom, 1);
  use_devices(fuse, setup, ledger);
  const std::shared_ptr<Backend> backend = fuse.make_backend();
  struct Again final : Backend {
    explicit Again(Backend& of) : backend(of) {}
    [[nodiscard]] std::string_view name() const noexcept override { return backend.name(); }
    FuseResults run(const FuseJob& job, const Execution& execution) override {
      return backend.run(job, execution);
    }
    Backend& backend;
  };
  fuse.make_backend = [&] { return std::make_unique<Again>(*backend); };
  for (int times = 0; times < 2; ++times) {
    expect_same(fuse.run(2), expected);
    test::restart_deltas(fuse);
    EXPECT_EQ(ledger.allocations, 0);
  }
}

TEST(DeviceBackend, RefusesTooLittleMemory) {
  FuseFixture fuse;
  fuse.add_shard();
  fuse.add_matrix({100, 90, 100, 90, kBf16, kBf16, kDown});
  fuse.job.numbers = kSigmaRatio;
  DeviceSetup setup;
  setup.options.device_bytes = 30'000;
  DeviceLedger ledger;
  use_devices(fuse, setup, ledger);
  const Error error = test::failure_of(fuse, 2);
  EXPECT_EQ(error.kind(), "device-memory");
  EXPECT_NE(error.message().find("emulated:0"), std::string::npos);
  setup.options = {.pinned_bytes = 447};
  EXPECT_EQ(test::failure_of(fuse, 2).kind(), "pinned-too-small");
  EXPECT_THROW((void)make_device_backend({}, {}), Error);
}

}  // namespace
}  // namespace contourfuse
