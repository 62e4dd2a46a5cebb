# The first python3 that has pytest and NumPy, which need not be the first on PATH.
function(p2p_has_pytest result python)
  execute_process(COMMAND ${python} -c "import numpy, pytest" RESULT_VARIABLE rc ERROR_QUIET)
  if(rc)
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()
find_program(P2P_PYTHON python3 PATHS /usr/bin VALIDATOR p2p_has_pytest REQUIRED)

# p2p_pytest(FOLDER [PYTHON...]): one ctest entry per top-level test function or class of
# FOLDER/test_*.py, run by PYTHON instead of the python3 found above. The tests find the command in
# P2P_COMMAND and the project in P2P_SOURCE_DIR; they need the fixture p2p_FOLDER, if there is one.
function(p2p_pytest folder)
  set(python ${ARGN})
  if(NOT python)
    set(python ${P2P_PYTHON})
  endif()
  file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/test_*.py)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${scripts})
  foreach(script IN LISTS scripts)
    get_filename_component(name ${script} NAME_WE)
    file(STRINGS ${script} lines REGEX "^(def test_|class Test)")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^(def|class) ([A-Za-z0-9_]+).*" "\\2" item "${line}")
      add_test(NAME ${folder}.${name}.${item}
               COMMAND ${python} -m pytest -q -p no:cacheprovider ${script}::${item})
      set_tests_properties(
        ${folder}.${name}.${item}
        PROPERTIES
          ENVIRONMENT
          "P2P_COMMAND=$<TARGET_FILE:p2p_cli>;P2P_SOURCE_DIR=${PROJECT_SOURCE_DIR};PYTHONDONTWRITEBYTECODE=1;P2P_NO_FSYNC=1"
          SKIP_REGULAR_EXPRESSION "(^|\n)[0-9]+ skipped in"
          SKIP_RETURN_CODE 77
          FIXTURES_REQUIRED p2p_${folder})
    endforeach()
  endforeach()
endfunction()
