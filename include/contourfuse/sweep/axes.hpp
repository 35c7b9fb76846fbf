// The values of an axis as a user writes them.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace contourfuse {

/// Values separated by spaces or commas, or ranges `log:LOW:HIGH:COUNT` and `lin:LOW:HIGH:COUNT`
/// (both ends included), in the order given and once each. `name` is the flag, for messages.
/// Throws Error{kUsage, "bad-axis"} for what is no finite number, a negative one unless
/// `negative_allowed`, a range that does not ascend, a count out of 1 … 10,000, or no value.
[[nodiscard]] std::vector<double> parse_axis(const std::string& name,
                                             std::span<const std::string> words,
                                             bool negative_allowed);

}  // namespace contourfuse
