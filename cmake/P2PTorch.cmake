# LibTorch: that of the distribution by find_package(Torch), or that inside an installed PyTorch, whose own
# TorchConfig.cmake wants the CUDA toolkit (nvcc) where PyTorch was built for CUDA, and may mix in libraries of the
# distribution.
find_path(
  P2P_PYTORCH lib/libtorch_cpu.so
  HINTS ${CMAKE_PREFIX_PATH}
  PATH_SUFFIXES ../.. # from what torch.utils.cmake_prefix_path says
  NO_DEFAULT_PATH
  DOC "Folder of an installed PyTorch (.../site-packages/torch) whose LibTorch is used; unset: find_package(Torch)")

# p2p_find_torch(): the target p2p_torch_lib of this directory. Programs find the libraries of PyTorch where they lie.
macro(p2p_find_torch)
  add_library(p2p_torch_lib INTERFACE IMPORTED)
  if(P2P_PYTORCH)
    p2p_torch_of_pytorch()
  else()
    find_package(Torch QUIET GLOBAL) # for tests too
    if(NOT Torch_FOUND)
      message(FATAL_ERROR "LibTorch was not found. On Debian and Ubuntu: apt install libtorch-dev libgloo-dev. With an "
                          "installed PyTorch (2.7 or newer): -DP2P_PYTORCH=.../site-packages/torch, the folder that "
                          "python3 -c \"import torch; print(torch.__path__[0])\" prints")
    endif()
    target_link_libraries(p2p_torch_lib INTERFACE ${TORCH_LIBRARIES})
  endif()
endmacro()

# libtorch.so links the CUDA libraries; no symbol of it is used, but their kernels register themselves.
function(p2p_torch_of_pytorch)
  file(REAL_PATH ${P2P_PYTORCH} folder)
  foreach(file lib/libtorch.so lib/libtorch_cpu.so lib/libc10.so include/torch/csrc/api/include/torch/torch.h
               share/cmake/Torch/TorchConfig.cmake)
    if(NOT EXISTS ${folder}/${file})
      message(FATAL_ERROR "P2P_PYTORCH is ${folder}, where ${file} is missing; expected the folder that "
                          "python3 -c \"import torch; print(torch.__path__[0])\" prints")
    endif()
  endforeach()
  file(STRINGS ${folder}/share/cmake/Torch/TorchConfig.cmake old_strings REGEX _GLIBCXX_USE_CXX11_ABI=0)
  if(old_strings)
    message(FATAL_ERROR "The PyTorch in ${folder} was compiled for the std::string of before C++11 "
                        "(_GLIBCXX_USE_CXX11_ABI=0) and cannot be linked; PyTorch 2.7 and newer can")
  endif()
  target_include_directories(p2p_torch_lib INTERFACE ${folder}/include ${folder}/include/torch/csrc/api/include)
  target_link_libraries(
    p2p_torch_lib INTERFACE -Wl,--push-state,--no-as-needed,${folder}/lib/libtorch.so,--pop-state
                            ${folder}/lib/libtorch_cpu.so ${folder}/lib/libc10.so)
  set(rpath ${folder}/lib)
  if(EXISTS ${folder}/lib/libtorch_cuda.so)
    p2p_cuda_of_pytorch()
  endif()
  set(CMAKE_INSTALL_RPATH ${CMAKE_INSTALL_RPATH} ${rpath} PARENT_SCOPE)
  message(STATUS "LibTorch: ${folder}")
endfunction()

# CUDA's libraries and most of its headers lie in packages beside PyTorch: nvidia/cu13 and nvidia/nccl, or
# nvidia/cuda_runtime and others of CUDA 12. The rest comes from a CUDA toolkit or a package of the compiler's.
macro(p2p_cuda_of_pytorch)
  file(STRINGS ${folder}/version.py major REGEX "^cuda.*= '[0-9]+")
  string(REGEX REPLACE ".*= '([0-9]+).*" "\\1" major "${major}")
  file(GLOB headers ${folder}/../nvidia/*/include)
  list(PREPEND headers ${folder}/../nvidia/cu${major}/include)
  file(GLOB cudart ${folder}/../nvidia/*/lib/libcudart.so.${major})
  if(NOT EXISTS "${P2P_CUDA_INCLUDE}")
    unset(P2P_CUDA_INCLUDE CACHE) # it may have been removed since
  endif()
  find_path(P2P_CUDA_INCLUDE crt/host_defines.h HINTS ${headers} $ENV{CUDA_HOME}/include /usr/local/cuda/include
            DOC "Folder of crt/host_defines.h, of a CUDA toolkit or of the package nvidia-cuda-crt")
  if(P2P_CUDA_INCLUDE AND cudart)
    target_include_directories(p2p_torch_lib SYSTEM INTERFACE ${headers} ${P2P_CUDA_INCLUDE})
    target_link_libraries(p2p_torch_lib INTERFACE ${folder}/lib/libtorch_cuda.so ${folder}/lib/libc10_cuda.so ${cudart})
    get_filename_component(cudart_folder ${cudart} DIRECTORY)
    list(APPEND rpath ${cudart_folder})
  else()
    message(STATUS "CUDA: no crt/host_defines.h beside PyTorch or in a CUDA toolkit (pip install nvidia-cuda-crt, for "
                   "CUDA 12 nvidia-cuda-nvcc-cu12); GPUs are used without CUDA graphs and NCCL")
  endif()
endmacro()
