# Sanitizers hold for the whole build, so they are set here once and not per target.

# Optimised enough for the end-to-end tests, with frames that a report can name.
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")
set(CMAKE_EXE_LINKER_FLAGS_SANITIZE "")
set(CMAKE_SHARED_LINKER_FLAGS_SANITIZE "")
set(CMAKE_MODULE_LINKER_FLAGS_SANITIZE "")

if(CONTOURFUSE_SANITIZE)
  add_compile_options("-fsanitize=${CONTOURFUSE_SANITIZE}" -fno-sanitize-recover=all)
  add_link_options("-fsanitize=${CONTOURFUSE_SANITIZE}")
endif()
