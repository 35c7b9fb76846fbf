# contourfuse_add_levels(<target> <file>)
#
# Compiles <file> once per instruction-set level into <target>. The file puts all that it defines
# into namespace CONTOURFUSE_KERNELS_NAMESPACE, which is kernels_baseline, kernels_v3 or kernels_v4;
# other files of the target see CONTOURFUSE_X86_LEVELS where the last two exist, and choose at run
# time.
function(contourfuse_add_levels target file)
  set(levels baseline)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    list(APPEND levels x86-64-v3 x86-64-v4)
    target_compile_definitions(${target} PRIVATE CONTOURFUSE_X86_LEVELS)
  endif()

  get_filename_component(stem "${file}" NAME_WE)
  foreach(level IN LISTS levels)
    string(REPLACE "x86-64-" "" suffix "${level}")
    set(objects ${target}_${stem}_${suffix})
    add_library(${objects} OBJECT "${file}")
    target_link_libraries(${objects} PRIVATE $<TARGET_PROPERTY:${target},LINK_LIBRARIES>
                                              contourfuse_warnings)
    target_include_directories(${objects} PRIVATE "${PROJECT_SOURCE_DIR}/src")
    target_compile_definitions(${objects} PRIVATE CONTOURFUSE_KERNELS_NAMESPACE=kernels_${suffix})
    # No result depends on a trap; without the flag g++ keeps selections by comparison scalar.
    target_compile_options(${objects} PRIVATE -ffp-contract=off -fno-trapping-math)
    if(NOT level STREQUAL "baseline")
      target_compile_options(${objects} PRIVATE -march=${level})
      if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # An inline function compiled for a higher level must not be the copy that the linker keeps
        # for everyone: without weak symbols each object keeps its own. g++ then warns of every
        # inline variable, which also gets a copy per object; harmless for constants, and silent
        # in system headers, so ours are that here.
        target_compile_options(${objects} PRIVATE -fno-weak)
        target_include_directories(${objects} SYSTEM PRIVATE "${PROJECT_SOURCE_DIR}/include"
                                                             "${PROJECT_SOURCE_DIR}/src")
      endif()
    endif()
    if(level STREQUAL "x86-64-v4")
      target_compile_options(${objects} PRIVATE -mprefer-vector-width=512)
    endif()
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${objects}>)
    set_property(GLOBAL APPEND PROPERTY CONTOURFUSE_LEVEL_OBJECTS ${objects})
  endforeach()
endfunction()
