// The safetensors container: strict reader of headers, writer of headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contourfuse/core/dtype.hpp"
#include "contourfuse/core/error.hpp"
#include "contourfuse/core/shape.hpp"

namespace contourfuse {

/// Longest header that is accepted, in bytes (the limit of the safetensors library).
inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

/// One tensor of a file; its payload is bytes [begin, end) counted from the end of the header.
struct TensorInfo {
  std::string name{};
  DType dtype = DType::kBF16;
  Shape shape{};
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// A checked header: payloads are contiguous from 0 to the end of the file, in the order of
/// `tensors()`.
class SafetensorsHeader {
 public:
  SafetensorsHeader(std::string file, std::uint64_t data_begin, std::uint64_t file_bytes,
                    std::vector<TensorInfo> tensors, std::map<std::string, std::string> metadata);

  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  /// Offset of the first payload byte: 8 + header length.
  [[nodiscard]] std::uint64_t data_begin() const noexcept { return data_begin_; }
  [[nodiscard]] std::uint64_t file_bytes() const noexcept { return file_bytes_; }
  /// By ascending begin (zero-size tensors before the one that begins at the same byte).
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const noexcept { return tensors_; }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const noexcept {
    return metadata_;
  }
  /// The tensor of that name, or null.
  [[nodiscard]] const TensorInfo* find(std::string_view name) const noexcept;
  /// Its bytes in the file.
  [[nodiscard]] ByteRange file_range(const TensorInfo& tensor) const noexcept {
    return {data_begin_ + tensor.begin, data_begin_ + tensor.end};
  }

 private:
  std::string file_;
  std::uint64_t data_begin_;
  std::uint64_t file_bytes_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
  std::vector<std::size_t> by_name_{};  // indices into tensors_, by ascending name
};

/// Parses the head of a file. `head` holds at least the length field and the header if the file is
/// that long; `file_bytes` is the size of the whole file. Every broken rule is
/// Error{kBadInput, its own kind} with file, tensor and byte range (docs/formats.md lists them).
[[nodiscard]] SafetensorsHeader parse_safetensors_header(std::span<const std::byte> head,
                                                         std::uint64_t file_bytes,
                                                         const std::string& file);

/// Reads the header of a file. Beside what is parsed, memory holds the head, which is at most
/// kMaxHeaderBytes long.
[[nodiscard]] SafetensorsHeader read_safetensors_header(const std::filesystem::path& path);

/// A tensor to be written.
struct TensorSpec {
  std::string name{};
  DType dtype = DType::kBF16;
  Shape shape{};
};

/// Length field and header for tensors stored one after the other in the given order; padded with
/// spaces so that the payload begins at a multiple of 8.
[[nodiscard]] std::string make_safetensors_header(
    std::span<const TensorSpec> tensors, const std::map<std::string, std::string>& metadata);

}  // namespace contourfuse
