# `cmake --install` puts down the library, its headers, the CMake package and, when built, the command.
include(CMakePackageConfigHelpers)

if(BUILD_SHARED_LIBS)
  set(P2P_SHARED TRUE)
else()
  set(P2P_SHARED FALSE)
endif()
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/p2p)

install(TARGETS p2p EXPORT p2pTargets)
install(DIRECTORY include/p2p DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT p2pTargets NAMESPACE p2p:: DESTINATION ${package_dir})
configure_package_config_file(cmake/p2pConfig.cmake.in p2pConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(p2pConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/p2pConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/p2pConfigVersion.cmake DESTINATION ${package_dir})
if(P2P_BUILD_CLI)
  install(TARGETS p2p_cli)
endif()
