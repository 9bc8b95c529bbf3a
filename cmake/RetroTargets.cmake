# How our own targets are made: one library a folder, one test program a folder, the same warnings everywhere.
# -Wno-restrict: GCC 12 takes "text" + std::string for an overlapping copy (GCC bug 105651).
function(retro_options target)
  target_include_directories(${target} PUBLIC "${CMAKE_SOURCE_DIR}")
  target_compile_options(${target} PRIVATE -Wall -Wextra -Werror -Wno-psabi -Wno-restrict -fpch-preprocess)
  if(RETRO_SANITIZE)
    # GCC's documentation: with sanitizers it warns falsely of uninitialized values.
    target_compile_options(${target} PRIVATE -fsanitize=${RETRO_SANITIZE} -fno-omit-frame-pointer
      -fno-sanitize-recover=undefined -Wno-maybe-uninitialized)
    target_link_options(${target} PUBLIC -fsanitize=${RETRO_SANITIZE})
  endif()
endfunction()

# For code that no hot path runs through: half the time to compile.
function(retro_quick_compile target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

# Several sources compiled as one: what all of them instantiate from heavy headers is so once for `size` files.
function(retro_unity target size)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${size})
endfunction()

# One precompiled header for all targets of a kind: made with the first of them, used again by the others.
function(retro_precompiled target first header)
  if(target STREQUAL first)
    target_precompile_headers(${target} PRIVATE "${header}")
  else()
    target_precompile_headers(${target} REUSE_FROM ${first})
  endif()
endfunction()

# retro_library(core DEPENDS …): every .cc of the calling folder as the library retro::core.
function(retro_library name)
  cmake_parse_arguments(arg "" "" "DEPENDS;PRIVATE;EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  foreach(pattern ${arg_EXCLUDE})
    list(FILTER sources EXCLUDE REGEX "${pattern}")
  endforeach()
  if(NOT sources)
    add_library(retro_${name} INTERFACE)
    add_library(retro::${name} ALIAS retro_${name})
    target_link_libraries(retro_${name} INTERFACE ${arg_DEPENDS})
    return()
  endif()
  add_library(retro_${name} STATIC ${sources})
  add_library(retro::${name} ALIAS retro_${name})
  retro_options(retro_${name})
  target_link_libraries(retro_${name} PUBLIC ${arg_DEPENDS} PRIVATE ${arg_PRIVATE})
  retro_precompiled(retro_${name} retro_core "${CMAKE_SOURCE_DIR}/cmake/precompiled.h")
endfunction()

# retro_tests(core DEPENDS …): every *_test.cc of tests/FOLDER as one program; *_slow_test.cc get the label "slow".
# PRECOMPILED_FROM: the library whose precompiled header the tests use instead of the usual one.
function(retro_tests folder)
  cmake_parse_arguments(arg "" "PRECOMPILED_FROM" "DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*_test.cc")
  if(NOT sources)
    return()
  endif()
  string(REPLACE "-" "_" name ${folder})
  if(RETRO_SANITIZE MATCHES "address")
    list(APPEND sources "${CMAKE_SOURCE_DIR}/tests/testing/leak_suppressions.cc")
  endif()
  add_executable(${name}_tests ${sources})
  retro_options(${name}_tests)
  retro_unity(${name}_tests 8)
  target_link_libraries(${name}_tests PRIVATE ${arg_DEPENDS} retro_testing)
  if(arg_PRECOMPILED_FROM)
    target_precompile_headers(${name}_tests REUSE_FROM ${arg_PRECOMPILED_FROM})
    target_compile_options(${name}_tests PRIVATE -fPIC)  # as the library's: a program's own code has -fPIE
  else()
    retro_quick_compile(${name}_tests)
    retro_precompiled(${name}_tests core_tests "${CMAKE_SOURCE_DIR}/tests/testing/precompiled.h")
  endif()
  # CTest runs several tests at once: threads of OpenMP (FAISS, LibTorch) would spin for cores that others need.
  gtest_discover_tests(${name}_tests PROPERTIES LABELS fast TIMEOUT 300 ENVIRONMENT "OMP_NUM_THREADS=1"
                       DISCOVERY_MODE PRE_TEST)
endfunction()
