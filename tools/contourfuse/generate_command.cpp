// contourfuse generate
#include "command.hpp"
#include "generate_flags.hpp"

namespace contourfuse {

void add_generate_command(CLI::App& app, Session& session) {
  CLI::App* command = add_command(
      app, session, "generate",
      "Write a delta: MLP weights of known function, for the layers of a checkpoint",
      {"generate --base-model google/gemma-4-31B-it --output-dir delta --seed 42",
       "generate --base-model base --output-dir delta --recipe-only",
       "generate --base-model base --output-dir delta --layers global --bank bank.safetensors"});
  add_generate_flags(*command, session);
}

}  // namespace contourfuse
