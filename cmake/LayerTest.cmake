# contourfuse_add_layer_test(<layer> [LINKS <test-only libraries>...] [HOLDS_KERNELS])
#
# Every *_test.cpp of the calling folder as the program <layer>_test. It links that one layer, so a
# test that reaches upwards does not link either. HOLDS_KERNELS: what is tested is compiled in the
# tests themselves, formulas in headers or templates.
include(GoogleTest)

add_custom_target(unit_tests)

function(contourfuse_add_layer_test layer)
  cmake_parse_arguments(PARSE_ARGV 1 arg "HOLDS_KERNELS" "" "LINKS")
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  if(NOT sources)
    return()
  endif()
  set(target ${layer}_test)
  add_executable(${target} ${sources})
  target_link_libraries(${target} PRIVATE contourfuse_${layer} ${arg_LINKS} GTest::gtest_main
                                          GTest::gmock contourfuse_warnings)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests"
                                               "${PROJECT_SOURCE_DIR}/src")
  target_compile_definitions(${target}
                             PRIVATE CONTOURFUSE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  # Compiled once and run once: more would take longer than it saves.
  target_compile_options(${target} PRIVATE -ffp-contract=off $<$<CONFIG:Release>:-O1>)
  if(CONTOURFUSE_SANITIZE MATCHES "undefined" AND NOT arg_HOLDS_KERNELS)
    # It doubles the time that GoogleTest's macros take to compile, and the layer itself has it.
    target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
  endif()
  add_dependencies(unit_tests ${target})
  gtest_discover_tests(
    ${target}
    TEST_PREFIX "${layer}."
    DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS unit TIMEOUT 300 ENVIRONMENT "${CONTOURFUSE_TEST_ENVIRONMENT}")
endfunction()
