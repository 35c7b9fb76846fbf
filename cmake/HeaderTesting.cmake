# contourfuse_add_header_tests(<layer>)
#
# Every public header of a layer compiled alone: one translation unit per header, in an object
# library that the tests build and nobody runs. A header that leans on what its includer included
# before it does not compile here. Included twice, so that a missing #pragma once shows too.
function(contourfuse_add_header_tests layer)
  if(CONTOURFUSE_SANITIZE)
    return() # nothing that a build without sanitizers would not find
  endif()
  string(REPLACE "_" "/" folder "${layer}")
  file(
    GLOB headers CONFIGURE_DEPENDS
    RELATIVE "${PROJECT_SOURCE_DIR}/include"
    "${PROJECT_SOURCE_DIR}/include/contourfuse/${folder}/*.hpp")
  set(sources "")
  foreach(header IN LISTS headers)
    set(source "${CMAKE_CURRENT_BINARY_DIR}/headers/${header}.cpp")
    file(CONFIGURE OUTPUT "${source}" CONTENT "#include \"@header@\"\n#include \"@header@\"\n"
         @ONLY)
    list(APPEND sources "${source}")
  endforeach()
  if(sources)
    add_library(${layer}_headers OBJECT ${sources})
    set_target_properties(${layer}_headers PROPERTIES UNITY_BUILD OFF)
    target_link_libraries(${layer}_headers PRIVATE contourfuse_${layer} contourfuse_warnings)
  endif()
endfunction()
