# libtorch, its CPU half: the imported target LibTorch::cpu, and LibTorch_VERSION, LibTorch_SOURCE (words).
# Taken from the first of these that is named or there; one that is named but unusable is an error:
#   1. $LIBTORCH or -DLIBTORCH=...: a folder with include/ and lib/
#   2. LIBTORCH_USE_PYTORCH=1 (environment or cache): the torch of $PYTHON, else of python3 on PATH
#   3. the system's, 2.6 or newer
#   4. .deps/libtorch under the source folder, where ./bootstrap unpacks the Python package
# Torch's own CMake package is not used: that of a CUDA build asks for a CUDA toolkit.
set(LIBTORCH "$ENV{LIBTORCH}" CACHE PATH "A libtorch folder with include/ and lib/")
set(LIBTORCH_USE_PYTORCH "$ENV{LIBTORCH_USE_PYTORCH}" CACHE STRING "1: use the torch of Python")
set(_libtorch_version_min 2.6.0)

# The version that the headers under `include` state, or empty.
function(_libtorch_read_version include out)
  set(${out} "" PARENT_SCOPE)
  foreach(file torch/headeronly/version.h torch/csrc/api/include/torch/version.h torch/version.h)
    if(EXISTS ${include}/${file})
      file(STRINGS ${include}/${file} lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
      string(REGEX REPLACE "[^0-9;]" "" numbers "${lines}")
      list(LENGTH numbers count)
      if(count EQUAL 3)
        string(REPLACE ";" "." version "${numbers}")
        set(${out} ${version} PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()
endfunction()

# Sets _libtorch_include, _libtorch_lib and _libtorch_version when `root` holds a usable libtorch, else _libtorch_problem.
macro(_libtorch_try root words)
  set(_libtorch_problem "")
  set(_libtorch_include ${root}/include)
  find_library(_libtorch_cpu torch_cpu PATHS ${root}/lib ${root}/lib/${CMAKE_LIBRARY_ARCHITECTURE}
               NO_DEFAULT_PATH NO_CACHE)
  find_library(_libtorch_c10 c10 PATHS ${root}/lib ${root}/lib/${CMAKE_LIBRARY_ARCHITECTURE}
               NO_DEFAULT_PATH NO_CACHE)
  _libtorch_read_version(${_libtorch_include} _libtorch_version)
  if(NOT EXISTS ${_libtorch_include}/ATen/core/Tensor.h)
    set(_libtorch_problem "${words} (${root}) has no include/ATen/core/Tensor.h")
  elseif(NOT _libtorch_cpu OR NOT _libtorch_c10)
    set(_libtorch_problem "${words} (${root}) has no lib/libtorch_cpu.so and lib/libc10.so")
  elseif(_libtorch_version VERSION_LESS _libtorch_version_min)
    set(_libtorch_problem "${words} (${root}) is version '${_libtorch_version}', but ${_libtorch_version_min} or newer is needed")
  endif()
  if(_libtorch_problem)
    unset(_libtorch_cpu)
    unset(_libtorch_c10)
  else()
    set(LibTorch_SOURCE "${words}")
    set(_libtorch_root ${root})
  endif()
endmacro()

function(_libtorch_python_root out)
  set(python "$ENV{PYTHON}")
  if(NOT python)
    set(python python3)
  endif()
  # Where torch lies, without importing it: an import takes seconds.
  execute_process(
    COMMAND ${python} -c "import importlib.util as u, os; print(os.path.dirname(u.find_spec('torch').origin))"
    OUTPUT_VARIABLE root OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "LIBTORCH_USE_PYTORCH is set, but '${python}' has no torch: install it there, name another "
                        "interpreter in PYTHON, or unset LIBTORCH_USE_PYTORCH")
  endif()
  set(${out} ${root} PARENT_SCOPE)
endfunction()

if(LIBTORCH)
  _libtorch_try("${LIBTORCH}" "the folder named by LIBTORCH")
elseif(LIBTORCH_USE_PYTORCH AND NOT LIBTORCH_USE_PYTORCH STREQUAL "0")
  _libtorch_python_root(_libtorch_python)
  _libtorch_try("${_libtorch_python}" "the torch of Python")
else()
  _libtorch_try(/usr "the system's libtorch")
  if(_libtorch_problem)
    set(_libtorch_system_problem "${_libtorch_problem}")
    _libtorch_try("${PROJECT_SOURCE_DIR}/.deps/libtorch/torch" "the Python package under .deps")
    if(_libtorch_problem)
      string(APPEND _libtorch_problem "; ${_libtorch_system_problem}; neither LIBTORCH nor LIBTORCH_USE_PYTORCH=1 is set. "
                                      "./bootstrap build fetches one")
    endif()
  endif()
endif()
if(_libtorch_problem)
  message(FATAL_ERROR "no usable libtorch: ${_libtorch_problem}")
endif()

# What libtorch_cpu of a CUDA build is linked to may lie in packages beside it; its own run path names them, but
# only where Python would have put them.
get_filename_component(_libtorch_lib ${_libtorch_cpu} DIRECTORY)
get_filename_component(_libtorch_beside ${_libtorch_root} DIRECTORY)
file(GLOB LibTorch_RUN_PATHS ${_libtorch_beside}/nvidia/*/lib)
list(PREPEND LibTorch_RUN_PATHS ${_libtorch_lib})

set(LibTorch_VERSION ${_libtorch_version})
if(NOT TARGET LibTorch::cpu)
  add_library(LibTorch::cpu INTERFACE IMPORTED)
  target_include_directories(LibTorch::cpu SYSTEM INTERFACE ${_libtorch_include})
  target_link_libraries(LibTorch::cpu INTERFACE ${_libtorch_cpu} ${_libtorch_c10})
  # Builds from before 2.7 may use the old string ABI; their CMake file says so.
  set(_libtorch_config ${_libtorch_root}/share/cmake/Torch/TorchConfig.cmake)
  if(EXISTS ${_libtorch_config})
    file(STRINGS ${_libtorch_config} _libtorch_abi REGEX "_GLIBCXX_USE_CXX11_ABI=0")
    if(_libtorch_abi)
      target_compile_definitions(LibTorch::cpu INTERFACE _GLIBCXX_USE_CXX11_ABI=0)
    endif()
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS _libtorch_cpu _libtorch_c10 VERSION_VAR LibTorch_VERSION
                                  REASON_FAILURE_MESSAGE "${LibTorch_SOURCE}")
