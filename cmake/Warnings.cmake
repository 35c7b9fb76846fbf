# The one list of warnings. Every target of ours links it privately; it is not exported, so a
# consumer's build keeps its own list.
add_library(contourfuse_warnings INTERFACE)
target_compile_options(
  contourfuse_warnings
  INTERFACE -Wall
            -Wextra
            -Wpedantic
            -Werror
            -Wshadow
            -Wconversion
            -Wsign-conversion
            -Wold-style-cast
            -Wnon-virtual-dtor
            -Woverloaded-virtual
            -Wdouble-promotion
            -Wformat=2
            -Wimplicit-fallthrough
            -Wcast-align)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(contourfuse_warnings INTERFACE -Wuseless-cast)
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # "literal" + std::string looks like an overlapping copy to g++ 12 (its bug 105651).
    target_compile_options(contourfuse_warnings INTERFACE -Wno-restrict)
  endif()
endif()
