# Puts the sweep's page together: cmake -D VEGA=<folder> -D MODULES=<list> -D OUTPUT=<file> -P this
#
# Whatever is put in is not looked at again, so nothing in it is taken for a place of the page.
set(here "${CMAKE_CURRENT_LIST_DIR}")

file(READ "${here}/vega-license.txt" license)
file(READ "${here}/modules.js" vega)
string(PREPEND vega "/*\n${license}*/\n")
foreach(module IN LISTS MODULES)
  file(READ "${VEGA}/${module}.min.js" source)
  # A browser's tools would look for the map beside the page.
  string(REGEX REPLACE "\n//# sourceMappingURL=[^\n]*" "" source "${source}")
  if(source MATCHES "</script")
    message(FATAL_ERROR "${VEGA}/${module}.min.js would end the script that it stands in")
  endif()
  # What other modules call it.
  string(REPLACE "vega-selection" "vega-selections" name "${module}")
  string(APPEND vega "define.module = \"${name}\";\n${source}\n")
endforeach()

set(script "")
foreach(part IN ITEMS points charts numbers page)
  file(READ "${here}/${part}.js" source)
  string(APPEND script "${source}\n")
endforeach()
file(READ "${here}/page.css" style)

file(READ "${here}/page.html" page)
foreach(place IN ITEMS style vega script)
  string(FIND "${page}" "@${place}@" at)
  string(SUBSTRING "${page}" 0 ${at} before)
  string(LENGTH "@${place}@" length)
  math(EXPR at "${at} + ${length}")
  string(SUBSTRING "${page}" ${at} -1 page)
  string(APPEND assembled "${before}${${place}}")
endforeach()
file(WRITE "${OUTPUT}" "${assembled}${page}")
