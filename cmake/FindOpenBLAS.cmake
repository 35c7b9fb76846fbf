# Finds OpenBLAS with its CBLAS interface through the package that it installs, which defines
# variables in some distributions and a target in others; defines OpenBLAS_LIBRARIES and
# OpenBLAS_INCLUDE_DIRS.
find_package(OpenBLAS CONFIG QUIET)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  OpenBLAS
  REQUIRED_VARS OpenBLAS_LIBRARIES OpenBLAS_INCLUDE_DIRS
  VERSION_VAR OpenBLAS_VERSION)
