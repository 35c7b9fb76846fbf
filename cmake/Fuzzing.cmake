# contourfuse_add_fuzz_target(<name> LINKS <layer>... READS <source file of the parser>...
#                             [ATTACKS <folder>...] [MAX_LENGTH <bytes>])
#
# <name>_fuzz.cpp of the calling folder as a libFuzzer program, and the test fuzz.<name>, which runs
# it for CONTOURFUSE_FUZZ_SECONDS from the files in seeds/<name>, those of the folders of attacks,
# and what earlier runs found. READS says whose covered lines are counted. In other builds than that
# of the preset fuzz there are no targets.
option(CONTOURFUSE_FUZZ "Build the fuzz targets; needs clang" OFF)
set(CONTOURFUSE_FUZZ_SECONDS
    60
    CACHE STRING "How long the test of a fuzz target runs it")

if(CONTOURFUSE_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "CONTOURFUSE_FUZZ needs clang: libFuzzer is a part of it")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link -fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()

function(contourfuse_add_fuzz_target name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "MAX_LENGTH" "LINKS;READS;ATTACKS")
  if(NOT arg_MAX_LENGTH)
    set(arg_MAX_LENGTH 4096)
  endif()
  set(target ${name}_fuzz)
  add_executable(${target} ${name}_fuzz.cpp)
  target_link_libraries(${target} PRIVATE ${arg_LINKS} fuzz_mutations contourfuse_warnings)
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src"
                                               "${PROJECT_SOURCE_DIR}/tests")
  add_dependencies(fuzz_targets ${target})

  set(inputs "${CMAKE_CURRENT_SOURCE_DIR}/seeds/${name}")
  foreach(folder IN LISTS arg_ATTACKS)
    list(APPEND inputs "${PROJECT_SOURCE_DIR}/tests/${folder}")
  endforeach()
  list(TRANSFORM arg_READS PREPEND "${PROJECT_SOURCE_DIR}/")
  add_test(
    NAME fuzz.${name}
    COMMAND
      "${CMAKE_CURRENT_SOURCE_DIR}/run_target.sh" --program $<TARGET_FILE:${target}> --seconds
      ${CONTOURFUSE_FUZZ_SECONDS} --max-length ${arg_MAX_LENGTH} --work "${PROJECT_BINARY_DIR}/runs"
      --corpus "${PROJECT_SOURCE_DIR}/build/fuzz-corpus/${name}" --inputs ${inputs} --sources
      ${arg_READS})
  math(EXPR timeout "${CONTOURFUSE_FUZZ_SECONDS} + 300")
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT ${timeout})
endfunction()
