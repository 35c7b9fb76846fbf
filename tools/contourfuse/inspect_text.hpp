// The document of `inspect` as tables.
#pragma once

#include <nlohmann/json.hpp>

namespace contourfuse {

void print_inspection(const nlohmann::ordered_json& document);

}  // namespace contourfuse
