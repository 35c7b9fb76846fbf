// contourfuse applyweights: the second script's command line.
#include "command.hpp"
#include "fuse_flags.hpp"

namespace contourfuse {

void add_applyweights_command(CLI::App& app, Session& session) {
  CLI::App* command = add_command(
      app, session, "applyweights", "The script applyweights.py: the same as fuse",
      {"applyweights --model base --weights generated_weights --output fused --alpha 0.02 "
       "--gamma-cap 0.05",
       "applyweights --model base --weights generated_weights --dry-run"});
  add_fuse_flags(*command, session);
}

}  // namespace contourfuse
