// What a fuse costs by bytes and rates: the model behind `bench --model-of-cost`.
#pragma once

#include <string>

#include "command.hpp"
#include "contourfuse/fusion/cost_model.hpp"

namespace contourfuse {

struct CostFlags {
  std::string like = "31b";
  std::string card = "h100";
  bool recipe = false;
  FuseRates rates{};  ///< 0: the card's, or of a fast NVMe drive
};

/// The cards that --card knows, between bars.
[[nodiscard]] std::string card_names();

/// Prints the time of every stage and what is the limit; returns the exit code.
int model_of_cost(const CostFlags& flags, const RunFlags& run);

}  // namespace contourfuse
