# Whether the CUDA module is built: CONTOURFUSE_CUDA_FOUND. Everything else builds without nvcc.
set(CONTOURFUSE_CUDA
    AUTO
    CACHE STRING "Build the CUDA module: AUTO (if nvcc is found), ON or OFF")
set_property(CACHE CONTOURFUSE_CUDA PROPERTY STRINGS AUTO ON OFF)

set(CONTOURFUSE_CUDA_FOUND FALSE)
find_program(CONTOURFUSE_NVCC nvcc HINTS /usr/local/cuda/bin)
if(CONTOURFUSE_CUDA STREQUAL "OFF")
  message(STATUS "The CUDA module is not built: CONTOURFUSE_CUDA is OFF")
elseif(CONTOURFUSE_CUDA STREQUAL "AUTO" AND NOT CONTOURFUSE_NVCC)
  message(STATUS "The CUDA module is not built: nvcc is not found")
elseif(CONTOURFUSE_CUDA STREQUAL "AUTO" AND CONTOURFUSE_SANITIZE)
  message(STATUS "The CUDA module is not built: nvcc takes no sanitizers")
elseif(CONTOURFUSE_SANITIZE)
  message(FATAL_ERROR "nvcc takes no sanitizers: CONTOURFUSE_CUDA must be OFF")
else()
  set(CONTOURFUSE_CUDA_FOUND TRUE)
endif()

if(CONTOURFUSE_CUDA_FOUND)
  if(NOT DEFINED CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX} AND CONTOURFUSE_NVCC)
    set(CMAKE_CUDA_COMPILER "${CONTOURFUSE_NVCC}")
  endif()
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    # Machine code for each, and PTX of the last for what comes after it.
    set(CMAKE_CUDA_ARCHITECTURES 80-real 86-real 89-real 90-real 100-real 120)
    execute_process(COMMAND "${CONTOURFUSE_NVCC}" --version OUTPUT_VARIABLE said)
    if(said MATCHES "release ([0-9.]+)" AND CMAKE_MATCH_1 VERSION_LESS 12.8)
      set(CMAKE_CUDA_ARCHITECTURES 80-real 86-real 89-real 90)
    endif()
  endif()
  enable_language(CUDA)
  # CMake 3.25 does not know that nvcc takes C++20, which it asks for wherever C++ has it.
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
    list(APPEND CMAKE_CUDA_COMPILE_FEATURES cuda_std_20)
  endif()
  find_package(CUDAToolkit 12.4 REQUIRED)
else()
  # One of an earlier configuration must not be loaded by a program that has moved on.
  file(REMOVE "${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/libcontourfuse_cuda.so")
endif()
