// contourfuse inspect
#include "contourfuse/fusion/inspect.hpp"

#include <memory>
#include <optional>

#include "command.hpp"
#include "console.hpp"
#include "flag_values.hpp"
#include "inspect_text.hpp"

namespace contourfuse {
namespace {

struct InspectRequest {
  std::string path{};
  std::optional<std::uint64_t> layer{};
};

}  // namespace

void add_inspect_command(CLI::App& app, Session& session) {
  CLI::App* command = add_command(app, session, "inspect",
                                  "What a checkpoint, shard, delta, bank or fused checkpoint is",
                                  {"inspect google/gemma-4-31B-it", "inspect delta --layer 5",
                                   "inspect bank.safetensors --json"});
  const auto request = std::make_shared<InspectRequest>();
  command->add_option("PATH", request->path, "Folder, file or hub id")->required();
  add_whole_number(
      *command, "--layer", [request](std::uint64_t n) { request->layer = n; },
      "This layer only; of a delta, its cells too");

  command->callback([&session, request] {
    session.action = [&session, request](const Execution&) {
      const nlohmann::ordered_json document = inspect(request->path, request->layer);
      if (session.flags.json) {
        print_document(document);
      } else if (!session.flags.quiet) {
        print_inspection(document);
      }
      return 0;
    };
  });
}

}  // namespace contourfuse
