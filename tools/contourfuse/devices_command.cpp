// contourfuse devices
#include "command.hpp"
#include "console.hpp"
#include "contourfuse/report/table.hpp"
#include "devices.hpp"

namespace contourfuse {
namespace {

using Json = nlohmann::ordered_json;

/// The last usable one's backend: the CPU comes first, and what can be used beside it is faster.
std::string automatic_backend(const std::vector<Device>& devices) {
  std::string backend;
  for (const Device& device : devices) {
    if (!device.unusable) backend = device.backend;
  }
  return backend;
}

Json device_document(const Device& device) {
  return {{"backend", device.backend},
          {"device", device.name},
          {"description", device.description},
          {"compute_capability",
           device.compute_capability.empty() ? Json(nullptr) : Json(device.compute_capability)},
          {"memory", device.memory ? Json(*device.memory) : Json(nullptr)},
          {"usable", !device.unusable.has_value()},
          {"reason", device.unusable ? Json(*device.unusable) : Json(nullptr)}};
}

int run(const RunFlags& flags) {
  const std::vector<Device> devices = find_devices();
  if (flags.json) {
    Json document;
    document["schema"] = "contourfuse.devices/1";
    document["auto"] = automatic_backend(devices);
    document["devices"] = Json::array();
    for (const Device& device : devices) document["devices"].push_back(device_document(device));
    print_document(document);
    return 0;
  }
  Table table({{"device", Align::kLeft}, {"usable", Align::kLeft}, {"", Align::kLeft}});
  for (const Device& device : devices) {
    table.add_row({device.name, device.unusable ? "no" : "yes",
                   visible(device.unusable ? *device.unusable : device.description)});
  }
  print_text(table.text());
  print_text("auto uses: " + automatic_backend(devices) + '\n');
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
