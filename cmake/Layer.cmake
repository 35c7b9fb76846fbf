# contourfuse_add_layer(<name> LINKS <what its headers show>... [PRIVATE_LINKS <what only its
#                       sources use>...] [LEVELS <file compiled per instruction-set level>...])
#
# One layer of the house: every .cpp of the calling folder as the static library contourfuse_<name>
# (a header-only layer is an INTERFACE library), alias contourfuse::<name>. It can only call what it
# links, which is how an upward call fails.
function(contourfuse_add_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LINKS;PRIVATE_LINKS;LEVELS")
  set(target contourfuse_${name})

  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  set(level_files "")
  foreach(file IN LISTS arg_LEVELS)
    if("${CMAKE_CURRENT_SOURCE_DIR}/${file}" IN_LIST sources)
      list(APPEND level_files "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
    endif()
  endforeach()
  list(REMOVE_ITEM sources ${level_files} "")

  if(sources OR level_files)
    add_library(${target} STATIC ${sources})
    set(public PUBLIC)
    target_link_libraries(
      ${target}
      PUBLIC ${arg_LINKS}
      PRIVATE ${arg_PRIVATE_LINKS} $<BUILD_INTERFACE:contourfuse_warnings>)
    target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src")
    target_compile_options(${target} PRIVATE -ffp-contract=off)
  else()
    add_library(${target} INTERFACE)
    set(public INTERFACE)
    target_link_libraries(${target} INTERFACE ${arg_LINKS})
  endif()
  add_library(contourfuse::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} LINKER_LANGUAGE CXX)
  target_compile_features(${target} ${public} cxx_std_20)
  target_include_directories(
    ${target} ${public} "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
                        "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")

  foreach(file IN LISTS level_files)
    contourfuse_add_levels(${target} "${file}")
  endforeach()
  set_property(GLOBAL APPEND PROPERTY CONTOURFUSE_LAYERS ${target})
endfunction()
