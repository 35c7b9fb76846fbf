# contourfuse_add_python_tests(<folder> LABEL <label> [TIMEOUT <seconds>])
#
# Every *_test.py of <folder> (relative to the calling one) as one CTest test, run by pytest with
# the program's path in CONTOURFUSE. Tests without an interpreter are listed as disabled.
set(default_python "")
if(EXISTS "${PROJECT_SOURCE_DIR}/build/venv/bin/python")
  set(default_python "${PROJECT_SOURCE_DIR}/build/venv/bin/python")
endif()
set(CONTOURFUSE_PYTHON
    "${default_python}"
    CACHE FILEPATH "Python with tools/requirements.txt installed, for the end-to-end tests")
# The cache keeps an empty first answer; look again once tools/setup.sh has made the environment.
if(NOT CONTOURFUSE_PYTHON AND default_python)
  set_property(CACHE CONTOURFUSE_PYTHON PROPERTY VALUE "${default_python}")
endif()
if(NOT CONTOURFUSE_PYTHON)
  message(NOTICE "contourfuse: no build/venv, so the Python tests are disabled; "
          "run tools/setup.sh, then configure again")
endif()

function(contourfuse_add_python_tests folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;TIMEOUT" "")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 600)
  endif()
  file(GLOB scripts CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*_test.py")
  foreach(script IN LISTS scripts)
    get_filename_component(stem "${script}" NAME_WE)
    string(REGEX REPLACE "_test$" "" stem "${stem}")
    set(name "${folder}.${stem}")
    set(python "${CONTOURFUSE_PYTHON}")
    if(NOT python)
      set(python python3)
    endif()
    add_test(NAME "${name}" COMMAND "${python}" -m pytest -q -p no:cacheprovider "${script}")
    set(environment
        "CONTOURFUSE=${PROJECT_BINARY_DIR}/bin/contourfuse"
        "CONTOURFUSE_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
        "CONTOURFUSE_BUILD_DIR=${PROJECT_BINARY_DIR}"
        "CONTOURFUSE_SANITIZE=${CONTOURFUSE_SANITIZE}"
        "PYTHONDONTWRITEBYTECODE=1"
        ${CONTOURFUSE_TEST_ENVIRONMENT})
    set_tests_properties("${name}" PROPERTIES LABELS "${arg_LABEL}" TIMEOUT ${arg_TIMEOUT}
                                              ENVIRONMENT "${environment}")
    if(NOT CONTOURFUSE_PYTHON OR NOT TARGET contourfuse)
      set_tests_properties("${name}" PROPERTIES DISABLED TRUE)
    endif()
  endforeach()
endfunction()
