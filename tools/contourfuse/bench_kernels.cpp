// The kernels of the CPU backend beside memcpy.
#include "bench_kernels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "contourfuse/backend/cpu/kernels.hpp"
#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/philox.hpp"
#include "contourfuse/numeric/scf.hpp"

namespace contourfuse {
namespace {

using Elements = std::vector<std::uint16_t>;

constexpr std::uint64_t kArrays = 3;
constexpr TransformNumbers kNumbers{0.01F, 7, 11};

/// Random bf16 numbers below `scale` in magnitude; a pattern of 2^20, again and again.
Elements random_elements(std::size_t count, float scale, std::uint64_t seed) {
  const std::size_t pattern = std::min(count, std::size_t{1} << 20);
  Elements elements(count);
  for (std::size_t i = 0; i < pattern; ++i) {
    const PhiloxBlock words = philox(seed, {{static_cast<std::uint32_t>(i), 0, 0, 0}});
    const float unit = static_cast<float>(words.word[0]) * 0x1p-31F - 1;
    elements[i] = Bf16::narrow(scale * unit);
  }
  for (std::size_t i = pattern; i < count; ++i) elements[i] = elements[i - pattern];
  return elements;
}

/// Of `count` elements each, whole blocks.
struct Arrays {
  explicit Arrays(std::size_t count)
      : weight(random_elements(count, 0.04F, 1)),
        delta(random_elements(count, 1, 2)),
        out(random_elements(count, 0.04F, 3)) {}

  /// Calls `work` with the place of each block.
  template <class Work>
  void for_each_block(Work work) const {
    for (std::size_t at = 0; at < weight.size(); at += kBlockElements) work(at);
  }

  Elements weight;
  Elements delta;
  Elements out;
};

class KernelCases {
 public:
  explicit KernelCases(std::size_t elements) : arrays_(std::make_shared<Arrays>(elements)) {}

  std::vector<TimedCase> all() && {
    add("memcpy", [](Arrays& arrays) {
      std::copy(arrays.weight.begin(), arrays.weight.end(), arrays.out.begin());
      const auto half = static_cast<std::ptrdiff_t>(arrays.delta.size() / 2);
      std::copy(arrays.delta.begin(), arrays.delta.begin() + half, arrays.out.begin());
    });
    std::size_t count = 0;
    const Kernels* const* const levels = available_kernels(count);
    for (const Kernels* kernels : std::span(levels, count)) add_level(*kernels);
    return std::move(cases_);
  }

 private:
  void add(std::string name, std::function<void(Arrays&)> work) {
    cases_.push_back({std::move(name), kArrays * arrays_->weight.size() * sizeof(std::uint16_t),
                      [] {}, [arrays = arrays_, work = std::move(work)] { work(*arrays); }});
  }

  void add_level(const Kernels& kernels) {
    for (const ScfRole role : {ScfRole::kDown, ScfRole::kGate}) {
      const char* const name = role == ScfRole::kDown ? "down" : "gate";
      for (const bool stochastic : {false, true}) {
        const auto transform =
            kernels.transform[0][0][static_cast<std::size_t>(role)][stochastic ? 1 : 0];
        add(fmt::format("{}{}, {}", name, stochastic ? " stochastic" : "", kernels.level),
            [transform](Arrays& arrays) {
              arrays.for_each_block([&](std::size_t at) {
                transform(&arrays.weight[at], &arrays.delta[at], &arrays.out[at], kBlockElements,
                          at, kNumbers);
              });
            });
      }
      const auto record = kernels.record[0][0][static_cast<std::size_t>(role)];
      add(fmt::format("record of {}, {}", name, kernels.level), [record](Arrays& arrays) {
        arrays.for_each_block([&](std::size_t at) {
          RecordCounts counts;
          RecordSums sums;
          record(&arrays.weight[at], &arrays.delta[at], &arrays.out[at], kBlockElements,
                 kNumbers.parameter, counts, sums);
        });
      });
    }
    const auto moments = kernels.moments[0];
    add(fmt::format("moments, {}", kernels.level), [moments](Arrays& arrays) {
      for (const Elements* elements : {&arrays.weight, &arrays.delta, &arrays.out}) {
        arrays.for_each_block([&](std::size_t at) {
          static_cast<void>(moments(elements->data() + at, kBlockElements));
        });
      }
    });
  }

  std::shared_ptr<Arrays> arrays_;
  std::vector<TimedCase> cases_{};
};

}  // namespace

std::vector<TimedCase> kernel_cases(std::uint64_t bytes) {
  const std::uint64_t block = kArrays * kBlockElements * sizeof(std::uint16_t);
  const std::uint64_t blocks = std::max<std::uint64_t>(bytes / block, 1);
  return KernelCases(blocks * kBlockElements).all();
}

}  // namespace contourfuse
