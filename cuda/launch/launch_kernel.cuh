// From a kernel call to the kernel: types, roles and roundings become template arguments here, and
// only here.
#pragma once

#include <cstdint>
#include <type_traits>
#include <variant>

#include "contourfuse/numeric/float_formats.hpp"
#include "kernels/fold_kernel.cuh"
#include "kernels/generate_kernel.cuh"
#include "kernels/moments_kernel.cuh"
#include "kernels/scf_kernel.cuh"
#include "kernels/settle_kernel.cuh"
#include "launch/kernel_call.hpp"
#include "launch/launch_policy.hpp"

namespace contourfuse::device {

/// Calls use(Format{}) for an editable type.
template <class Use>
void with_format(DType dtype, Use use) {
  switch (dtype) {
    case DType::kF16:
      return use(F16{});
    case DType::kF32:
      return use(F32{});
    default:
      return use(Bf16{});
  }
}

/// Calls use(std::bool_constant<value>{}).
template <class Use>
void with_bool(bool value, Use use) {
  if (value) {
    use(std::true_type{});
  } else {
    use(std::false_type{});
  }
}

/// Chooses the kernel of a call. `Start` is called as start(kernel, blocks, threads, arguments...)
/// and launches; nothing is launched for no elements.
template <class Start>
class KernelLauncher {
 public:
  KernelLauncher(const LaunchPolicy& policy, Start start) : policy_(policy), start_(start) {}

  void operator()(const MomentsCall& call) const {
    if (call.count == 0) return;
    with_format(call.dtype, [&]<class Format>(Format) {
      start_(moments_kernel<Format>, blocks_of_warps(call.count, policy_.moments), policy_.moments,
             static_cast<const typename Format::Stored*>(call.elements), call.count, call.blocks);
    });
  }

  void operator()(const FoldMomentsCall& call) const { fold(call); }
  void operator()(const FoldRecordsCall& call) const { fold(call); }

  void operator()(const SettleCall& call) const {
    start_(settle_kernel, 1, 1, call.weight, call.delta, call.how, call.scaling);
  }

  void operator()(const ScfCall& call) const {
    if (call.range.count == 0) return;
    with_format(call.weight_dtype, [&]<class Weight>(Weight) {
      with_format(call.delta_dtype, [&]<class Delta>(Delta) {
        with_bool(call.stochastic, [&](auto stochastic) {
          if (call.role == ScfRole::kDown) {
            scf<Weight, Delta, ScfRole::kDown, stochastic.value>(call);
          } else {
            scf<Weight, Delta, ScfRole::kGate, stochastic.value>(call);
          }
        });
      });
    });
  }

  void operator()(const GenerateCall& call) const {
    if (call.count == 0) return;
    const std::uint64_t threads = blocks_of_threads(call.count, kThreadElements);
    start_(call.role == ScfRole::kDown ? generate_outputs_kernel : generate_frames_kernel,
           blocks_of_threads(threads, policy_.generate), policy_.generate, call.tables, call.first,
           call.count, call.out);
  }

 private:
  template <class Call>
  void fold(const Call& call) const {
    using Value = std::remove_pointer_t<decltype(call.folded)>;
    const std::uint64_t runs = blocks_of_threads(call.count, kFoldRun);
    start_(fold_kernel<Value>, blocks_of_threads(runs, policy_.fold), policy_.fold, call.values,
           call.count, call.folded);
  }

  template <class Weight, class Delta, ScfRole role, bool stochastic>
  void scf(const ScfCall& call) const {
    start_(scf_kernel<Weight, Delta, role, stochastic>,
           blocks_of_warps(call.range.count, policy_.scf), policy_.scf,
           static_cast<typename Weight::Stored*>(call.weight),
           static_cast<const typename Delta::Stored*>(call.delta), call.range, call.scaling,
           call.key, call.records);
  }

  const LaunchPolicy& policy_;
  Start start_;
};

template <class Start>
void launch_kernel(const KernelCall& call, const LaunchPolicy& policy, Start start) {
  std::visit(KernelLauncher<Start>(policy, start), call);
}

}  // namespace contourfuse::device
