# Warnings for all of our code (CI adds -Werror through CFLAGS and CXXFLAGS), and one sanitizer at a time.
set(HYPRSTREAM_SANITIZE "" CACHE STRING "address, thread, or empty")
option(HYPRSTREAM_FUZZ "Build the fuzz targets (needs clang)" OFF)

add_compile_options(-Wall -Wextra -Wshadow -Wpointer-arith -Wcast-qual -Wno-missing-field-initializers)
add_compile_options($<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes$<SEMICOLON>-Wmissing-prototypes>)

if(HYPRSTREAM_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(HYPRSTREAM_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(HYPRSTREAM_SANITIZE)
  message(FATAL_ERROR "HYPRSTREAM_SANITIZE is '${HYPRSTREAM_SANITIZE}': expected address, thread or nothing")
endif()

# Coverage in the libraries too, or libFuzzer would search blindly.
if(HYPRSTREAM_FUZZ)
  add_compile_options($<$<COMPILE_LANGUAGE:C>:-fsanitize=fuzzer-no-link>)
endif()
