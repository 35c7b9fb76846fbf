// A program of somebody else: lists the tensors of a safetensors file by the installed package.
#include <contourfuse/core/error.hpp>
#include <contourfuse/io/safetensors.hpp>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: consumer FILE.safetensors\n", stderr);
    return 2;
  }
  try {
    const contourfuse::SafetensorsHeader header = contourfuse::read_safetensors_header(argv[1]);
    for (const contourfuse::TensorInfo& tensor : header.tensors()) {
      const contourfuse::ByteRange range = header.file_range(tensor);
      std::printf("%s %llu\n", tensor.name.c_str(),
                  static_cast<unsigned long long>(range.end - range.begin));
    }
  } catch (const contourfuse::Error& error) {
    std::fprintf(stderr, "consumer: %s\n", error.what());
    return 3;
  }
  return 0;
}
