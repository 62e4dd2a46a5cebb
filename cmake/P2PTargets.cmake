# p2p_module(NAME LIBS...): the sources of src/NAME as one object library, p2p_NAME. A new file is picked up by itself.
function(p2p_module name)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  add_library(p2p_${name} OBJECT ${sources})
  p2p_compile_options(p2p_${name})
  target_include_directories(p2p_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include
                                                ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(p2p_${name} PRIVATE P2P_VERSION="${PROJECT_VERSION}")
  target_link_libraries(p2p_${name} PUBLIC Threads::Threads ${ARGN})
  set_property(TARGET p2p_${name} PROPERTY POSITION_INDEPENDENT_CODE ON)
  set_property(GLOBAL APPEND PROPERTY P2P_MODULES p2p_${name})
endfunction()

# Language level and warnings; no contraction, so that the scalar reference gives the same bits on every processor.
# GCC 12's -Wrestrict misfires on literal + std::string (GCC bug 105651, mended in 13).
function(p2p_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion
                                           -ffp-contract=off
                                           $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
                                           $<$<BOOL:${P2P_WERROR}>:-Werror>)
endfunction()

# The installed library p2p::p2p from all modules.
function(p2p_library)
  get_property(modules GLOBAL PROPERTY P2P_MODULES)
  add_library(p2p)
  add_library(p2p::p2p ALIAS p2p)
  foreach(module IN LISTS modules)
    target_sources(p2p PRIVATE $<TARGET_OBJECTS:${module}>)
  endforeach()
  target_compile_features(p2p PUBLIC cxx_std_20)
  target_include_directories(
    p2p PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(p2p PRIVATE Threads::Threads fmt::fmt hwy::hwy OpenSSL::Crypto ZLIB::ZLIB
                                    $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>)
  set_target_properties(p2p PROPERTIES LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION}
                                       SOVERSION ${PROJECT_VERSION_MAJOR})
endfunction()
