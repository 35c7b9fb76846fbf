// The page of `sweep report`: a whole sweep to look at, in one HTML file.
#pragma once

#include <string>
#include <string_view>

namespace contourfuse {

/// A page that opens offline and asks for nothing from elsewhere, with Vega inside. `document` is
/// the JSON of contourfuse.sweep/1 with its numbers by axis, taken as it is; the page reads it.
[[nodiscard]] std::string sweep_page(std::string_view document);

}  // namespace contourfuse
