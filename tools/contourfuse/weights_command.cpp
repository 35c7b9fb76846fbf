// contourfuse weights: the first script's command line.
#include "command.hpp"
#include "generate_flags.hpp"

namespace contourfuse {

void add_weights_command(CLI::App& app, Session& session) {
  CLI::App* command =
      add_command(app, session, "weights", "The script weights.py: the same as generate",
                  {"weights --base-model base --output-dir generated_weights --seed 42"});
  add_generate_flags(*command, session);
}

}  // namespace contourfuse
