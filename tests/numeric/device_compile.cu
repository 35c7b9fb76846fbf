// Every numeric header in device code, for each stored type: it has to compile, nothing runs it.
#include "contourfuse/numeric/float_formats.hpp"
#include "contourfuse/numeric/moments.hpp"
#include "contourfuse/numeric/philox.hpp"
#include "contourfuse/numeric/record.hpp"
#include "contourfuse/numeric/rounding.hpp"
#include "contourfuse/numeric/scf.hpp"

using namespace contourfuse;

template <class F>
__global__ void edit(typename F::Stored* w, const typename F::Stored* d, float p,
                     std::uint64_t seed, std::uint64_t hash, double* lanes, Moments* m,
                     RecordSums* r) {
  const std::uint64_t i = blockIdx.x * std::uint64_t{blockDim.x} + threadIdx.x;
  const float t = contour_gate(contour_down(F::widen(d[i]), p), p);
  const float v = apply_contour(t, F::widen(w[i]));
  w[i] = F::is_finite(w[i]) ? narrow_stochastic<F>(v, rounding_bits(seed, hash, i)) : F::narrow(v);
  lanes[i] = fold_lanes(lanes + i) + standard_deviation(fold_pairwise(m, i), i);
  r[i] = fold_pairwise(r, i);
}

template __global__ void edit<Bf16>(std::uint16_t*, const std::uint16_t*, float, std::uint64_t,
                                    std::uint64_t, double*, Moments*, RecordSums*);
template __global__ void edit<F16>(std::uint16_t*, const std::uint16_t*, float, std::uint64_t,
                                   std::uint64_t, double*, Moments*, RecordSums*);
template __global__ void edit<F32>(std::uint32_t*, const std::uint32_t*, float, std::uint64_t,
                                   std::uint64_t, double*, Moments*, RecordSums*);
