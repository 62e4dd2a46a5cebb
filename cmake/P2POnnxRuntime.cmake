# What the proof of a baked model runs models with. ONNX Runtime's Python package is found at run time; its C++ library
# is found here and loaded at run time, so that p2p starts and installs without it. One that lies where the loader does
# not look needs LD_LIBRARY_PATH.
set(P2P_ONNXRUNTIME AUTO CACHE STRING "Use the C++ library of ONNX Runtime: AUTO (where it is found), ON or OFF")
set_property(CACHE P2P_ONNXRUNTIME PROPERTY STRINGS AUTO ON OFF)

# p2p_onnxruntime(TARGET): TARGET runs models with ONNX Runtime.
function(p2p_onnxruntime target)
  set(script ${PROJECT_SOURCE_DIR}/src/engine/run_onnx.py)
  file(READ ${script} P2P_RUN_ONNX)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/run_onnx_script.hpp.in generated/engine/run_onnx_script.hpp @ONLY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${script})
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/generated)

  if(P2P_ONNXRUNTIME STREQUAL AUTO)
    find_package(onnxruntime CONFIG QUIET)
  elseif(P2P_ONNXRUNTIME)
    find_package(onnxruntime CONFIG REQUIRED)
  endif()
  if(NOT P2P_ONNXRUNTIME OR NOT onnxruntime_FOUND)
    return()
  endif()
  get_target_property(configurations onnxruntime::onnxruntime IMPORTED_CONFIGURATIONS)
  list(GET configurations 0 configuration)
  get_target_property(soname onnxruntime::onnxruntime IMPORTED_SONAME_${configuration})
  get_target_property(headers onnxruntime::onnxruntime INTERFACE_INCLUDE_DIRECTORIES)
  target_include_directories(${target} SYSTEM PRIVATE ${headers})
  target_compile_definitions(${target} PRIVATE P2P_HAVE_ONNXRUNTIME P2P_ONNXRUNTIME_LIBRARY="${soname}")
  message(STATUS "ONNX Runtime ${onnxruntime_VERSION}: ${soname}")
endfunction()
