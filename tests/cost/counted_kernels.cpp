// Runs every block kernel of every level that the processor has, for callgrind to count: it dumps
// what it counted at the end of each run_counted(), and names of the runs are printed in that
// order.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "contourfuse/backend/cpu/kernels.hpp"
#include "contourfuse/numeric/float_formats.hpp"

namespace {

using contourfuse::kBlockElements;
using contourfuse::Kernels;
using contourfuse::TransformNumbers;

constexpr std::size_t kBlocks = 4;
constexpr std::size_t kElements = kBlocks * kBlockElements;
constexpr std::array kTypes = {"bf16", "f16", "f32"};
constexpr std::array kRoles = {"down", "gate"};
constexpr std::array kRoundings = {"nearest", "stochastic"};
constexpr TransformNumbers kNumbers = {0.5F, 42, 0x0123456789ABCDEFU};

struct Elements {
  std::vector<std::uint32_t> weight;
  std::vector<std::uint32_t> delta;
  std::vector<std::uint32_t> out;
  std::size_t bytes = 0;  // of an element
};

/// One kernel; those that are not run are null.
struct Run {
  Kernels::Transform transform = nullptr;
  Kernels::Record record = nullptr;
  Kernels::Measure moments = nullptr;
};

const std::byte* block(const std::vector<std::uint32_t>& of, std::size_t number,
                       std::size_t bytes) {
  return static_cast<const std::byte*>(static_cast<const void*>(of.data())) +
         number * kBlockElements * bytes;
}

template <class Format>
std::vector<std::uint32_t> stored(float most, std::uint32_t seed) {
  std::vector<std::uint32_t> words(kElements);
  auto* elements = static_cast<typename Format::Stored*>(static_cast<void*>(words.data()));
  std::uint32_t state = seed;
  for (std::size_t i = 0; i < kElements; ++i) {
    state = state * 1664525U + 1013904223U;
    const float unit = static_cast<float>(static_cast<std::int32_t>(state) >> 8) * 0x1p-23F;
    elements[i] = Format::narrow(most * unit);
  }
  return words;
}

template <class Format>
Elements elements() {
  return {stored<Format>(0.05F, 1), stored<Format>(1.5F, 2), stored<Format>(0.05F, 3),
          sizeof(typename Format::Stored)};
}

/// Callgrind knows it by its name.
extern "C" [[gnu::noinline]] void run_counted(const Run& run, Elements& of) {
  auto* out = static_cast<std::byte*>(static_cast<void*>(of.out.data()));
  for (std::size_t i = 0; i < kBlocks; ++i) {
    const std::byte* weight = block(of.weight, i, of.bytes);
    const std::byte* delta = block(of.delta, i, of.bytes);
    if (run.transform != nullptr) {
      run.transform(weight, delta, out + i * kBlockElements * of.bytes, kBlockElements,
                    i * kBlockElements, kNumbers);
    }
    if (run.record != nullptr) {
      contourfuse::RecordCounts counts;
      contourfuse::RecordSums sums;
      run.record(weight, delta, block(of.out, i, of.bytes), kBlockElements, kNumbers.parameter,
                 counts, sums);
    }
    if (run.moments != nullptr) run.moments(weight, kBlockElements);
  }
}

void named(const std::string& name, const Run& run, Elements& of) {
  std::printf("%s,%zu\n", name.c_str(), kElements);
  run_counted(run, of);
}

void run_level(const Kernels& kernels, std::array<Elements, 3>& elements) {
  for (std::size_t type = 0; type < kTypes.size(); ++type) {
    const std::string start = std::string(kernels.level) + ' ' + kTypes[type] + ' ';
    named(start + "moments", {.moments = kernels.moments[type]}, elements[type]);
    for (std::size_t role = 0; role < kRoles.size(); ++role) {
      for (std::size_t rounding = 0; rounding < kRoundings.size(); ++rounding) {
        named(start + "transform " + kRoles[role] + ' ' + kRoundings[rounding],
              {.transform = kernels.transform[type][type][role][rounding]}, elements[type]);
      }
      named(start + "record " + kRoles[role], {.record = kernels.record[type][type][role]},
            elements[type]);
    }
  }
}

}  // namespace

int main() {
  std::array<Elements, 3> all = {elements<contourfuse::Bf16>(), elements<contourfuse::F16>(),
                                 elements<contourfuse::F32>()};
  std::size_t levels = 0;
  const Kernels* const* kernels = contourfuse::available_kernels(levels);
  for (std::size_t i = 0; i < levels; ++i) run_level(*kernels[i], all);
  return 0;
}
