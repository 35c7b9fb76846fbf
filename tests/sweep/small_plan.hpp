// A plan of one task without a checkpoint behind it, and parts that belong to it.
#pragma once

#include <string>
#include <string_view>

#include "contourfuse/io/hash.hpp"
#include "contourfuse/sweep/plan.hpp"

namespace contourfuse::test {

/// Layers 0 (sliding) and 1 (global), three α, two γ. It has what a part is read by, and no more.
inline SweepPlan small_plan() {
  SweepPlan plan;
  plan.settings.model = "model";
  plan.settings.weights = "delta";
  plan.settings.alphas = {0, 0.5, 1};
  plan.settings.gammas = {0.25, 1};
  plan.tasks = {{0, 1}};
  plan.fuse.base.layers = {{.layer = 0, .kind = LayerKind::kSliding}, {.layer = 1}};
  return plan;
}

/// A part from a text without its hash and with PLAN in the place of the plan's digest: so it is
/// kept in files, where it holds for every version of the program.
inline std::string sealed_part(std::string_view body, const std::string& plan_digest) {
  constexpr std::string_view kPlace = "\"PLAN\"";
  std::string text(body);
  if (const std::size_t at = text.find(kPlace); at != std::string::npos) {
    text.replace(at, kPlace.size(), '"' + plan_digest + '"');
  }
  if (text.ends_with('}')) text.pop_back();
  Hash128 hash;
  hash.update(text);
  return text + ",\"xxh3_128\":\"" + hash.hex() + "\"}\n";
}

}  // namespace contourfuse::test
