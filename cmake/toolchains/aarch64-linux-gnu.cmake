# Cross-building for 64-bit ARM with Debian's g++-aarch64-linux-gnu, against the libraries that
# tools/setup.sh --aarch64 unpacks in build/aarch64-root; tests run under qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}/../../build/aarch64-root" ABSOLUTE)
set(CMAKE_FIND_ROOT_PATH "${root}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
# Where Debian installs it, beside an alternative that only a package's installation sets up.
set(OpenBLAS_DIR "${root}/usr/lib/aarch64-linux-gnu/openblas-pthread/cmake/openblas")
# The libraries' own libraries.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-rpath-link,${root}/usr/lib/aarch64-linux-gnu")

# Threads of the host run threads of the guest, so tests that count on parallelism have it.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L "${root}")
