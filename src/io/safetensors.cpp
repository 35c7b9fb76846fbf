// Safetensors headers: where payloads lie, reading from a file, and writing.
#include "contourfuse/io/safetensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <utility>

#include "contourfuse/io/file.hpp"
#include "safetensors_parser.hpp"
#include "utf8.hpp"

namespace contourfuse {
namespace {

constexpr std::uint64_t kPayloadAlignment = 8;

[[noreturn]] void refuse(const char* kind, std::string message, Place place) {
  throw Error(Failure::kBadInput, kind, std::move(message), std::move(place));
}

Place whole_file(const std::string& file, std::uint64_t file_bytes) {
  return {.file = file, .bytes = ByteRange{0, file_bytes}};
}

std::vector<std::size_t> order_by_name(const std::vector<TensorInfo>& tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // By sorting and not by hashing: names made to collide cannot slow it down. Equal names keep
  // the order of the file.
  std::ranges::sort(order, [&tensors](std::size_t a, std::size_t b) {
    const int compared = tensors[a].name.compare(tensors[b].name);
    return compared != 0 ? compared < 0 : a < b;
  });
  return order;
}

// Bytes of a tensor; the place is only made where there is something to say.
template <typename MakePlace>
std::uint64_t payload_bytes(DType dtype, const Shape& shape, const MakePlace& make_place) {
  constexpr std::uint64_t kByteBits = 8;
  const std::optional<std::uint64_t> elements = element_count(shape);
  if (!elements) {
    refuse("size-overflow",
           fmt::format("the product of the shape {} exceeds 2^64 - 1", shortened(to_string(shape))),
           make_place());
  }
  // 4- and 6-bit elements fill whole bytes in groups of 2 and 4.
  const std::uint64_t bits = dtype_bits(dtype);
  const std::uint64_t group = kByteBits / std::gcd(bits, kByteBits);
  if (*elements % group != 0) {
    refuse("sub-byte-size",
           fmt::format("{} elements of {} ({} bits each) do not fill whole bytes", *elements,
                       dtype_name(dtype), bits),
           make_place());
  }
  const auto bytes = checked_multiply(*elements / group, group * bits / kByteBits);
  if (!bytes) {
    refuse("size-overflow",
           fmt::format("the byte count of shape {} of {} exceeds 2^64 - 1",
                       shortened(to_string(shape)), dtype_name(dtype)),
           make_place());
  }
  return *bytes;
}

// Where payloads lie in the file, as a check reports it.
class PayloadChecker {
 public:
  PayloadChecker(const std::string& file, std::uint64_t data_begin, std::uint64_t file_bytes)
      : file_(file), data_begin_(data_begin), data_bytes_(file_bytes - data_begin) {}

  void check_size(const TensorInfo& tensor, const ByteRange& entry) const {
    if (tensor.begin > tensor.end) {
      refuse("begin-after-end",
             fmt::format("the payload begins at {} and ends before that, at {}", tensor.begin,
                         tensor.end),
             {.file = file_, .tensor = tensor.name, .bytes = entry});
    }
    const std::uint64_t bytes = payload_bytes(tensor.dtype, tensor.shape, [&] {
      return Place{.file = file_, .tensor = tensor.name, .bytes = entry};
    });
    if (tensor.end - tensor.begin != bytes) {
      refuse("size-mismatch",
             fmt::format("the payload has {} bytes, but shape {} of {} needs {}",
                         tensor.end - tensor.begin, shortened(to_string(tensor.shape)),
                         dtype_name(tensor.dtype), bytes),
             place_of(tensor));
    }
  }

  /// `tensors` by ascending begin.
  void check_contiguous(const std::vector<TensorInfo>& tensors) const {
    std::uint64_t reached = 0;
    for (const TensorInfo& tensor : tensors) {
      if (tensor.begin != reached) {
        const char* const fault = reached == 0             ? "the first payload must begin at 0"
                                  : tensor.begin < reached ? "the payload overlaps the one before"
                                                           : "a gap stands before the payload";
        refuse("not-contiguous",
               fmt::format("{}: it begins at {}, the one before ends at {}", fault, tensor.begin,
                           reached),
               place_of(tensor));
      }
      reached = tensor.end;
    }
    if (reached == data_bytes_) return;
    const std::string message = fmt::format(
        "the last payload ends at {}, but the file has {} payload bytes", reached, data_bytes_);
    refuse("not-contiguous", message,
           tensors.empty()
               ? Place{.file = file_, .bytes = ByteRange{data_begin_, data_begin_ + data_bytes_}}
               : place_of(tensors.back()));
  }

 private:
  // Offsets are unchecked until the cover is: one too large to be added is shown as the largest.
  [[nodiscard]] Place place_of(const TensorInfo& tensor) const {
    constexpr std::uint64_t kLargest = std::numeric_limits<std::uint64_t>::max();
    return {.file = file_,
            .tensor = tensor.name,
            .bytes = ByteRange{checked_add(data_begin_, tensor.begin).value_or(kLargest),
                               checked_add(data_begin_, tensor.end).value_or(kLargest)}};
  }

  const std::string& file_;
  std::uint64_t data_begin_;
  std::uint64_t data_bytes_;
};

// The header's length once it is known to lie inside the file.
std::uint64_t checked_header_bytes(std::span<const std::byte> head, std::uint64_t file_bytes,
                                   const std::string& file) {
  if (file_bytes < kLengthBytes || head.size() < kLengthBytes) {
    refuse("file-too-short",
           fmt::format("the file has {} bytes, fewer than the {} of the header length", file_bytes,
                       kLengthBytes),
           whole_file(file, file_bytes));
  }
  std::uint64_t header_bytes = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;) {
    header_bytes = header_bytes << 8U | std::to_integer<std::uint64_t>(head[i]);
  }
  const ByteRange length_field{0, kLengthBytes};
  if (header_bytes > kMaxHeaderBytes) {
    refuse(
        "header-too-long",
        fmt::format("the header length is {}, over the limit of {}", header_bytes, kMaxHeaderBytes),
        {.file = file, .bytes = length_field});
  }
  if (header_bytes > file_bytes - kLengthBytes) {
    refuse("header-past-end",
           fmt::format("the header of {} bytes ends past the end of the file, which has {} bytes",
                       header_bytes, file_bytes),
           {.file = file, .bytes = ByteRange{kLengthBytes, kLengthBytes + header_bytes}});
  }
  return header_bytes;
}

}  // namespace

SafetensorsHeader::SafetensorsHeader(std::string file, std::uint64_t data_begin,
                                     std::uint64_t file_bytes, std::vector<TensorInfo> tensors,
                                     std::map<std::string, std::string> metadata)
    : file_(std::move(file)),
      data_begin_(data_begin),
      file_bytes_(file_bytes),
      tensors_(std::move(tensors)),
      metadata_(std::move(metadata)),
      by_name_(order_by_name(tensors_)) {}

const TensorInfo* SafetensorsHeader::find(std::string_view name) const noexcept {
  const auto name_of = [this](std::size_t i) { return std::string_view(tensors_[i].name); };
  const auto found = std::ranges::lower_bound(by_name_, name, {}, name_of);
  if (found == by_name_.end() || tensors_[*found].name != name) return nullptr;
  return &tensors_[*found];
}

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> head,
                                           std::uint64_t file_bytes, const std::string& file) {
  const std::uint64_t header_bytes = checked_header_bytes(head, file_bytes, file);
  const std::uint64_t data_begin = kLengthBytes + header_bytes;
  if (head.size() < data_begin) {
    throw Error(Failure::kFailed, "io-short-read", "the header was not read whole",
                {.file = file, .bytes = ByteRange{kLengthBytes, data_begin}});
  }
  // Bytes may be looked at as characters.
  const std::string_view text(reinterpret_cast<const char*>(head.data()) + kLengthBytes,
                              header_bytes);
  ParsedHeader parsed = parse_header_text(text, file);

  std::vector<std::size_t> by_name = order_by_name(parsed.tensors);
  const auto twin = std::ranges::adjacent_find(by_name, [&parsed](std::size_t a, std::size_t b) {
    return parsed.tensors[a].name == parsed.tensors[b].name;
  });
  if (twin != by_name.end()) {
    const std::size_t second = *std::next(twin);
    refuse("duplicate-key", "a tensor of this name stands twice in the header",
           {.file = file, .tensor = parsed.tensors[second].name, .bytes = parsed.entries[second]});
  }

  const PayloadChecker checker(file, data_begin, file_bytes);
  for (std::size_t i = 0; i < parsed.tensors.size(); ++i) {
    checker.check_size(parsed.tensors[i], parsed.entries[i]);
  }
  std::ranges::stable_sort(parsed.tensors, [](const TensorInfo& a, const TensorInfo& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  checker.check_contiguous(parsed.tensors);
  return {file, data_begin, file_bytes, std::move(parsed.tensors), std::move(parsed.metadata)};
}

SafetensorsHeader read_safetensors_header(const std::filesystem::path& path) {
  const File file = File::open(path);
  const std::uint64_t file_bytes = file.size();
  const std::string name = path.string();
  std::array<std::byte, kLengthBytes> length{};
  if (file_bytes >= kLengthBytes) file.read(0, length);
  const std::uint64_t header_bytes = checked_header_bytes(length, file_bytes, name);
  // Read and not mapped: a file that is truncated meanwhile is an error with a name.
  const std::uint64_t head_bytes = kLengthBytes + header_bytes;
  const auto head = std::make_unique_for_overwrite<std::byte[]>(head_bytes);
  file.read(0, {head.get(), head_bytes});
  return parse_safetensors_header({head.get(), head_bytes}, file_bytes, name);
}

std::string make_safetensors_header(std::span<const TensorSpec> tensors,
                                    const std::map<std::string, std::string>& metadata) {
  const auto quoted = [](const std::string& text) {
    if (find_invalid_utf8(text)) {
      refuse("header-not-utf8", "a name or metadata text is not UTF-8", {.tensor = text});
    }
    return nlohmann::json(text).dump();
  };
  std::string header = "{";
  const auto separate = [&header] {
    if (header.size() > 1) header += ',';
  };
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      if (!header.ends_with('{')) header += ',';
      header += quoted(key) + ':' + quoted(value);
    }
    header += '}';
  }
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  std::uint64_t offset = 0;
  for (const TensorSpec& tensor : tensors) {
    const Place place{.tensor = tensor.name};
    if (tensor.name == "__metadata__") {
      refuse("bad-metadata", "no tensor can bear this name", place);
    }
    const std::uint64_t bytes =
        payload_bytes(tensor.dtype, tensor.shape, [&place]() -> const Place& { return place; });
    const auto end = checked_add(offset, bytes);
    if (!end) refuse("size-overflow", "the payloads together exceed 2^64 - 1 bytes", place);
    separate();
    fmt::format_to(std::back_inserter(header),
                   "{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                   quoted(tensor.name), dtype_name(tensor.dtype), fmt::join(tensor.shape, ","),
                   offset, *end);
    names.push_back(tensor.name);
    offset = *end;
  }
  std::ranges::sort(names);
  if (const auto twin = std::ranges::adjacent_find(names); twin != names.end()) {
    refuse("duplicate-key", "a tensor of this name stands twice", {.tensor = std::string(*twin)});
  }
  header += '}';
  header.append((kPayloadAlignment - header.size() % kPayloadAlignment) % kPayloadAlignment, ' ');
  if (header.size() > kMaxHeaderBytes) {
    refuse("header-too-long",
           fmt::format("the header would have {} bytes, over the limit of {}", header.size(),
                       kMaxHeaderBytes),
           {});
  }
  std::string length(kLengthBytes, '\0');
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    length[i] = static_cast<char>(header.size() >> (8 * i) & 0xFFU);
  }
  return length + header;
}

}  // namespace contourfuse
