// Matrix products on the CPU by OpenBLAS.
#pragma once

#include <memory>

#include "contourfuse/core/execution.hpp"
#include "contourfuse/sweep/products.hpp"

namespace contourfuse {

/// Products on `execution.thread_count()` threads of oneTBB. OpenBLAS itself is set to one thread a
/// call, for the whole process: it offers nothing narrower, and its own threads would cut a product
/// differently on each machine.
[[nodiscard]] std::unique_ptr<Products> make_cblas_products(const Execution& execution);

}  // namespace contourfuse
