// Slurm tells an element by its ID; the others follow from count, lowest ID and step.
#include "array_element.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "contourfuse/core/error.hpp"

namespace contourfuse {
namespace {

std::size_t number_in(const char* variable, std::optional<std::size_t> otherwise) {
  const char* const value = std::getenv(variable);
  if (value == nullptr && otherwise) return *otherwise;
  const std::string_view text = value == nullptr ? "" : value;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw Error(Failure::kUsage, "no-job-array",
                fmt::format("--task-from-env: {} {}", variable,
                            value == nullptr ? "is not set" : "is no number"),
                {}, "run it inside of a Slurm job array, or name the task with --task");
  }
  return number;
}

}  // namespace

ArrayElement array_element_from_environment() {
  const std::size_t id = number_in("SLURM_ARRAY_TASK_ID", std::nullopt);
  const std::size_t count = number_in("SLURM_ARRAY_TASK_COUNT", std::nullopt);
  const std::size_t lowest = number_in("SLURM_ARRAY_TASK_MIN", 0);
  const std::size_t step = number_in("SLURM_ARRAY_TASK_STEP", 1);
  if (count == 0 || step == 0 || id < lowest) {
    throw Error(Failure::kUsage, "no-job-array",
                "--task-from-env: the SLURM_ARRAY_TASK_… variables contradict each other");
  }
  return {(id - lowest) / step, count};
}

}  // namespace contourfuse
