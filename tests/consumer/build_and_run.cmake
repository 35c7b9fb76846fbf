# cmake -DBUILD_DIR -DPROJECT_DIR -DWORK_DIR -DGENERATOR -DCOMPILER -DSANITIZE -DFILE -P this
file(REMOVE_RECURSE "${WORK_DIR}")

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${WORK_DIR}/prefix")
set(flags "")
if(SANITIZE)
  set(flags "-fsanitize=${SANITIZE}")
endif()
run("${CMAKE_COMMAND}" -G "${GENERATOR}" -S "${PROJECT_DIR}" -B "${WORK_DIR}/build"
    "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_PREFIX_PATH=${WORK_DIR}/prefix"
    "-DCMAKE_CXX_FLAGS=${flags}" -DCMAKE_BUILD_TYPE=Release)
run("${CMAKE_COMMAND}" --build "${WORK_DIR}/build")
run("${WORK_DIR}/build/links_all" "${FILE}")
execute_process(COMMAND "${WORK_DIR}/build/consumer" "${FILE}" OUTPUT_VARIABLE listing
                COMMAND_ERROR_IS_FATAL ANY)
# 512 x 128 in bf16.
if(NOT listing MATCHES "model[.]layers[.]0[.]mlp[.]up_proj[.]weight 131072\n")
  message(FATAL_ERROR "the consumer does not list the tensors of ${FILE}:\n${listing}")
endif()
file(REMOVE_RECURSE "${WORK_DIR}")
