// What `bench` measured, for people and machines.
#pragma once

#include <nlohmann/json.hpp>

#include "bench_cases.hpp"

namespace contourfuse {

[[nodiscard]] nlohmann::ordered_json bench_document(const BenchFlags& flags,
                                                    const BenchResult& result, int threads);
void print_bench(const BenchFlags& flags, const BenchResult& result, int threads);

}  // namespace contourfuse
