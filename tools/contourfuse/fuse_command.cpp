// contourfuse fuse
#include "command.hpp"
#include "fuse_flags.hpp"

namespace contourfuse {

void add_fuse_command(CLI::App& app, Session& session) {
  CLI::App* command = add_command(
      app, session, "fuse",
      "Shape-Contoured Fusion of a delta into a checkpoint, written as a new checkpoint",
      {"fuse --model google/gemma-4-31B-it --weights delta --output fused",
       "fuse --model base --weights delta --output fused --alpha 32 --gamma-cap 25",
       "fuse --model base --weights delta --layers 5 11 17 --dry-run",
       "fuse --model base --weights delta/delta.json --output fused --rounding stochastic",
       "fuse --model model --weights delta --in-place --undo model.undo"});
  add_fuse_flags(*command, session);
}

}  // namespace contourfuse
