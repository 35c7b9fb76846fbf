// The page as the build assembled it (src/report/sweep_page), with the document put in.
#include "contourfuse/report/sweep_page.hpp"

#include <cstddef>
#include <cstdint>

// Half a megabyte: too long for a string literal.
asm(R"(
  .pushsection .rodata, "a"
  .balign 8
  .hidden kContourfuseSweepPageSize
  .globl kContourfuseSweepPageSize
kContourfuseSweepPageSize:
  .8byte 2f - 1f
  .hidden kContourfuseSweepPage
  .globl kContourfuseSweepPage
kContourfuseSweepPage:
1:
  .incbin ")" CONTOURFUSE_SWEEP_PAGE R"("
2:
  .popsection
)");

extern "C" {
extern const std::uint64_t kContourfuseSweepPageSize;
extern const char kContourfuseSweepPage[];
}

namespace contourfuse {
namespace {

constexpr std::string_view kPlace = "@document@";

/// JSON that cannot end the script element: '<' stands in strings only, and there it may be
/// escaped. So may the two line ends that older scripts did not take in strings.
void append_script_json(std::string& html, std::string_view json) {
  constexpr std::string_view kLineSeparators = "\xE2\x80\xA8\xE2\x80\xA9";
  for (std::size_t i = 0; i < json.size(); ++i) {
    const std::string_view rest = json.substr(i, 3);
    if (json[i] == '<') {
      html += "\\u003c";
    } else if (rest == kLineSeparators.substr(0, 3)) {
      html += "\\u2028";
      i += 2;
    } else if (rest == kLineSeparators.substr(3)) {
      html += "\\u2029";
      i += 2;
    } else {
      html += json[i];
    }
  }
}

}  // namespace

std::string sweep_page(std::string_view document) {
  const std::string_view page{static_cast<const char*>(kContourfuseSweepPage),
                              kContourfuseSweepPageSize};
  const std::size_t place = page.find(kPlace);
  std::string html;
  html.reserve(page.size() + document.size());
  html += page.substr(0, place);
  append_script_json(html, document);
  html += page.substr(place + kPlace.size());
  return html;
}

}  // namespace contourfuse
