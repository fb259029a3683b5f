# Compiler flags of every target of ours, and sanitizers.
add_library(holdfast_options INTERFACE)
target_compile_options(holdfast_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -Wold-style-cast -Wcast-qual -Wswitch-enum
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond>
  # Not in tests: with -O2, g++ 12 sees null pointers in its own std::istreambuf_iterator.
  $<$<NOT:$<BOOL:$<TARGET_PROPERTY:HOLDFAST_IS_TEST>>>:-Wnull-dereference>)
if(HOLDFAST_WARNINGS_AS_ERRORS)
  target_compile_options(holdfast_options INTERFACE -Werror)
endif()
if(HOLDFAST_SANITIZE)
  add_compile_options(-fsanitize=${HOLDFAST_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${HOLDFAST_SANITIZE})
  # g++ 12 takes the instrumented copies of variants for uninitialized reads.
  target_compile_options(holdfast_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  # And std::vector's own growth, instrumented for threads, for a null pointer in use.
  if(HOLDFAST_SANITIZE STREQUAL "thread")
    target_compile_options(holdfast_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-null-dereference>)
  endif()
endif()
