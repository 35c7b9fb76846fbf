// Delta elements from a recipe: any range of any matrix, the same bits always.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "contourfuse/model/architecture.hpp"
#include "contourfuse/neuron/recipe.hpp"
#include "contourfuse/numeric/delta_tables.hpp"

namespace contourfuse {

struct GeneratorKernels;

/// What one cell of a layer realises, for `inspect --layer N` and tests.
struct CellInfo {
  std::uint64_t first_neuron = 0;
  std::uint64_t neurons = 0;       ///< 2K
  std::size_t source = 0;          ///< index into the bank
  std::uint64_t frame = 0;         ///< r_j: row of the input basis
  std::uint64_t output_frame = 0;  ///< r′_j
};

/// The three delta matrices of one layer, as functions of the element index. Immutable after
/// construction (tables, permutations, signs: about 1 ms and 2 MB for 31B), so one instance serves
/// all threads.
class LayerGenerator {
 public:
  /// Throws Error{kBadInput} for a layer out of bounds or that no source neuron is meant for.
  LayerGenerator(const DeltaRecipe& recipe, const RecipeLayer& layer);
  /// With the kernels of one instruction-set level, for tests.
  LayerGenerator(const DeltaRecipe& recipe, const RecipeLayer& layer,
                 const GeneratorKernels& kernels);
  LayerGenerator(LayerGenerator&&) noexcept;
  LayerGenerator& operator=(LayerGenerator&&) noexcept;
  ~LayerGenerator();

  /// bf16 bits of elements [first, first + out.size()) of a matrix, row-major: gate and up
  /// [I, H], down [H, I].
  void generate(Role role, std::uint64_t first, std::span<std::uint16_t> out) const;
  [[nodiscard]] std::uint64_t rows(Role role) const noexcept;
  [[nodiscard]] std::uint64_t cols(Role role) const noexcept;
  [[nodiscard]] CellInfo cell(std::uint64_t index) const;
  /// What `generate` makes a role's elements from; valid as long as this lives.
  [[nodiscard]] DeltaTables tables(Role role) const noexcept;

 private:
  struct Tables;
  std::unique_ptr<const Tables> tables_;
};

}  // namespace contourfuse
