# install() and the exported CMake package: find_package(contourfuse) gives contourfuse::<layer>.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/contourfuse")
get_property(layers GLOBAL PROPERTY CONTOURFUSE_LAYERS)
install(
  TARGETS ${layers}
  EXPORT contourfuseTargets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(
  EXPORT contourfuseTargets
  NAMESPACE contourfuse::
  DESTINATION "${package_dir}")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/contourfuseConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/contourfuseConfig.cmake"
                              INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/contourfuseConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/contourfuseConfig.cmake"
              "${PROJECT_BINARY_DIR}/contourfuseConfigVersion.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/FindxxHash.cmake" DESTINATION "${package_dir}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
