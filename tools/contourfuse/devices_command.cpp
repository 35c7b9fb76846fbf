// contourfuse devices
#include "command.hpp"
#include "console.hpp"
#include "contourfuse/report/table.hpp"
#include "devices.hpp"

namespace contourfuse {
namespace {

int run(const RunFlags& flags) {
  const std::vector<Device> devices = find_devices();
  const auto automatic = make_backend("auto");
  if (flags.json) {
    nlohmann::ordered_json document;
    document["schema"] = "contourfuse.devices/1";
    document["auto"] = automatic->name();
    document["devices"] = nlohmann::ordered_json::array();
    for (const Device& device : devices) {
      document["devices"].push_back(
          {{"backend", device.backend},
           {"description", device.description},
           {"usable", !device.unusable.has_value()},
           {"reason", device.unusable ? nlohmann::ordered_json(*device.unusable)
                                      : nlohmann::ordered_json(nullptr)}});
    }
    print_document(document);
    return 0;
  }
  Table table({{"backend", Align::kLeft}, {"usable", Align::kLeft}, {"", Align::kLeft}});
  for (const Device& device : devices) {
    table.add_row({device.backend, device.unusable ? "no" : "yes",
                   device.unusable ? *device.unusable : device.description});
  }
  print_text(table.text());
  print_text("auto uses: " + std::string(automatic->name()) + '\n');
  return 0;
}

}  // namespace

void add_devices_command(CLI::App& app, Session& session) {
  CLI::App* command =
      add_command(app, session, "devices", "The backends, and why one is not usable", {"devices"});
  command->callback(
      [&session] { session.action = [&session](const Execution&) { return run(session.flags); }; });
}

}  // namespace contourfuse
