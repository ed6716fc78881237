# A folder is one target. Sources are every .c in it; *_fuzz.c beside a parser is a fuzz target of its own.

# hyprstream_room(name LINKS lib... EXCLUDE regex): the static library hs_<name> of this folder.
function(hyprstream_room name)
  cmake_parse_arguments(ROOM "" "" "LINKS;PRIVATE_LINKS;EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  list(FILTER sources EXCLUDE REGEX "_fuzz\\.c$")
  foreach(pattern ${ROOM_EXCLUDE})
    list(FILTER sources EXCLUDE REGEX "${pattern}")
  endforeach()
  if(sources)
    add_library(hs_${name} STATIC ${sources})
    target_include_directories(hs_${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(hs_${name} PUBLIC ${ROOM_LINKS} PRIVATE ${ROOM_PRIVATE_LINKS})
  else()
    add_library(hs_${name} INTERFACE)
    target_link_libraries(hs_${name} INTERFACE ${ROOM_LINKS})
  endif()
  hyprstream_fuzzers(hs_${name})
endfunction()

add_custom_target(fuzzers COMMENT "The fuzz targets")

# One libFuzzer program per *_fuzz.c of this folder, named after the file.
function(hyprstream_fuzzers library)
  if(NOT HYPRSTREAM_FUZZ)
    return()
  endif()
  file(GLOB_RECURSE fuzzers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_fuzz.c)
  foreach(source ${fuzzers})
    get_filename_component(target ${source} NAME_WE)
    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE ${library})
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers ${target})
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  endforeach()
endfunction()

add_custom_target(threads COMMENT "The tests that run under the thread sanitizer")

# Every tests/<folder>/test_<name>.c is one CTest program, labelled with its folder. THREADS names those that
# are also labelled `threads`: they hold all that two threads share, and run under the thread sanitizer.
function(hyprstream_tests folder)
  cmake_parse_arguments(TESTS "" "" "LINKS;THREADS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/test_*.c)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    set(target ${folder}_${name})
    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE ${TESTS_LINKS} hs_test_support)
    add_test(NAME ${folder}/${name} COMMAND ${target} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${folder}/${name} PROPERTIES LABELS ${folder} TIMEOUT 300
                         # OMP as ui/main.c; a test asks for more memory than there is; screens are drawn in a pty
                         ENVIRONMENT "OMP_WAIT_POLICY=passive;ASAN_OPTIONS=allocator_may_return_null=1;TERM=xterm-256color")
    if(name IN_LIST TESTS_THREADS)
      set_tests_properties(${folder}/${name} PROPERTIES LABELS "${folder};threads")
      add_dependencies(threads ${target})
    endif()
  endforeach()
endfunction()
