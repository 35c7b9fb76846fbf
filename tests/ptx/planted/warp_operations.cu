// Every warp operation that a kernel may use, and a switch that becomes a jump table.
#include <cstdint>

__global__ void warp_kernel(const std::uint32_t* in, std::uint32_t* out) {
  const std::uint32_t lane = threadIdx.x % 32;
  const std::uint32_t value = in[blockIdx.x * blockDim.x + threadIdx.x];
  constexpr std::uint32_t kFull = 0xFFFFFFFFU;
  std::uint32_t* const row = out + (blockIdx.x * blockDim.x + threadIdx.x) * 10;
  row[0] = __shfl_sync(kFull, value, 5);
  row[1] = __shfl_up_sync(kFull, value, 3);
  row[2] = __shfl_down_sync(kFull, value, 7);
  row[3] = __shfl_xor_sync(kFull, value, 9);
  row[4] = __shfl_down_sync(kFull, value, 2, 8);
  row[5] = __ballot_sync(kFull, value % 3 == 0);
  row[6] = static_cast<std::uint32_t>(__any_sync(kFull, value % 64 == 0)) +
           2 * static_cast<std::uint32_t>(__all_sync(kFull, value < 1U << 31));
  row[7] = 0;
  row[8] = 0;
  if (lane % 2 == 1) {
    row[7] = __activemask();
    row[8] = __shfl_xor_sync(0xAAAAAAAAU, value, 2);
  }
  std::uint32_t chosen = 0;
  switch (value % 8) {
    case 0:
      chosen = value * 3;
      break;
    case 1:
      chosen = value ^ 77;
      break;
    case 2:
      chosen = value / 5;
      break;
    case 3:
      chosen = value << 3;
      break;
    case 4:
      chosen = __popc(value);
      break;
    case 5:
      chosen = __clz(value);
      break;
    case 6:
      chosen = __brev(value);
      break;
    default:
      chosen = 1000;
      break;
  }
  row[9] = chosen;
}
