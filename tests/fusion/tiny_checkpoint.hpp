// A checkpoint of a few hundred bytes, written by hand, for the tests of this layer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "support/temporary_folder.hpp"

namespace contourfuse::test {

namespace fs = std::filesystem;

inline std::string read_bytes(const fs::path& path) {
  std::string bytes(fs::file_size(path), '\0');
  std::ifstream(path, std::ios::binary)
      .read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

struct TinyTensor {
  std::string name{};
  std::string dtype{};
  std::string shape{};  ///< "[2, 3]"
  std::string bytes{};
};

/// A safetensors file by the published layout, without the library under test.
inline std::string safetensors_bytes(const std::vector<TinyTensor>& tensors) {
  std::string header = "{";
  std::string payload;
  for (const TinyTensor& tensor : tensors) {
    if (header.size() > 1) header += ',';
    const std::size_t begin = payload.size();
    payload += tensor.bytes;
    header += '"' + tensor.name + R"(":{"dtype":")" + tensor.dtype + R"(","shape":)" +
              tensor.shape + R"(,"data_offsets":[)" + std::to_string(begin) + "," +
              std::to_string(payload.size()) + "]}";
  }
  header += '}';
  std::string file;
  for (std::size_t i = 0; i < 8; ++i) {
    file += static_cast<char>((header.size() >> (8 * i)) & 0xFFU);
  }
  return file + header + payload;
}

/// `count` bf16 values between 1 and 2, all different for a while.
inline std::string bf16_bytes(std::size_t count, unsigned salt) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = static_cast<std::uint16_t>(0x3F80U + ((7 * i + salt) & 0x7FU));
    bytes += static_cast<char>(bits & 0xFFU);
    bytes += static_cast<char>(bits >> 8);
  }
  return bytes;
}

inline const std::string kGate = "model.layers.0.mlp.gate_proj.weight";
inline const std::string kUp = "model.layers.0.mlp.up_proj.weight";
inline const std::string kDown = "model.layers.0.mlp.down_proj.weight";
inline const std::string kEmbed = "model.embed_tokens.weight";
inline const std::string kNorm = "model.norm.weight";
inline const std::string kShard1 = "model-00001-of-00002.safetensors";
inline const std::string kShard2 = "model-00002-of-00002.safetensors";

/// Hidden size 4, intermediate size 6, one layer, two shards, and side files.
inline void write_tiny_checkpoint(const fs::path& folder) {
  write_bytes(folder / kShard1, safetensors_bytes({{kEmbed, "BF16", "[5,4]", bf16_bytes(20, 1)},
                                                   {kGate, "BF16", "[6,4]", bf16_bytes(24, 2)},
                                                   {kUp, "BF16", "[6,4]", bf16_bytes(24, 3)}}));
  write_bytes(folder / kShard2, safetensors_bytes({{kDown, "BF16", "[4,6]", bf16_bytes(24, 4)},
                                                   {kNorm, "BF16", "[4]", bf16_bytes(4, 5)}}));
  write_bytes(folder / "model.safetensors.index.json",
              R"({"metadata":{"total_size":192},"weight_map":{")" + kEmbed + R"(":")" + kShard1 +
                  R"(",")" + kGate + R"(":")" + kShard1 + R"(",")" + kUp + R"(":")" + kShard1 +
                  R"(",")" + kDown + R"(":")" + kShard2 + R"(",")" + kNorm + R"(":")" + kShard2 +
                  R"("}})");
  write_bytes(folder / "config.json",
              R"({"model_type":"llama","hidden_act":"silu","num_hidden_layers":1,)"
              R"("hidden_size":4,"intermediate_size":6})");
  write_bytes(folder / "README.md", "# Tiny\n");
  write_bytes(folder / "extra" / "notes.txt", "a file in a folder\n");
}

/// Where a tensor's bytes lie in the tiny checkpoint's files.
inline std::pair<std::size_t, std::size_t> tensor_range(const std::string& file,
                                                        const std::string& name) {
  const auto header_bytes = static_cast<std::size_t>(static_cast<unsigned char>(file[0])) |
                            static_cast<std::size_t>(static_cast<unsigned char>(file[1])) << 8;
  const std::size_t at = file.find("data_offsets\":[", file.find('"' + name + '"')) + 15;
  std::size_t used = 0;
  const std::string rest = file.substr(at, 40);
  const std::size_t begin = std::stoul(rest, &used);
  const std::size_t end = std::stoul(rest.substr(used + 1));
  return {8 + header_bytes + begin, 8 + header_bytes + end};
}

}  // namespace contourfuse::test
