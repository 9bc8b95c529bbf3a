# Every third-party library, found in one place. What scripts/setup put under .deps/ is taken unless the user's own
# Torch_DIR or faiss_DIR (CMake variable or environment) says otherwise.
set(_deps "${CMAKE_SOURCE_DIR}/.deps")
if(NOT DEFINED Torch_DIR AND NOT DEFINED ENV{Torch_DIR})
  file(GLOB _torch "${_deps}/venv/lib/python3*/site-packages/torch/share/cmake/Torch")
  if(_torch)
    set(Torch_DIR "${_torch}")
  endif()
endif()
if(NOT DEFINED faiss_DIR AND NOT DEFINED ENV{faiss_DIR})
  set(faiss_DIR "${_deps}/faiss/lib/cmake/faiss")
endif()

find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(simdjson REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(rocksdb REQUIRED IMPORTED_TARGET rocksdb)
pkg_check_modules(sentencepiece REQUIRED IMPORTED_TARGET sentencepiece)
# Only the C interface is used.
set(MPI_CXX_SKIP_MPICXX TRUE)
find_package(MPI REQUIRED COMPONENTS CXX)
find_package(Torch REQUIRED)
find_package(faiss CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)

# Boost.Asio and Beast are headers only.
add_library(retro_http_libraries INTERFACE)
target_compile_definitions(retro_http_libraries INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE)
target_link_libraries(retro_http_libraries INTERFACE OpenSSL::SSL Threads::Threads prometheus-cpp::core)

# One name for FAISS, whichever build was found: the widest instruction set that it has. Linked only: its -fopenmp is for
# its own code, and would keep ours from sharing a precompiled header.
set(_faiss faiss)
if(TARGET faiss_avx2)
  set(_faiss faiss_avx2)
endif()
add_library(retro_faiss INTERFACE)
target_include_directories(retro_faiss SYSTEM INTERFACE $<TARGET_PROPERTY:${_faiss},INTERFACE_INCLUDE_DIRECTORIES>)
target_link_libraries(retro_faiss INTERFACE $<LINK_ONLY:${_faiss}>)

# LibTorch as an INTERFACE target of ours: its own sets flags (such as the C++ ABI) through a global variable. It brings
# headers of another fmt, which must not be found before the one that the rest of the program is built and linked with.
find_path(_fmt_headers fmt/format.h PATHS ${fmt_INCLUDE_DIRS} /usr/include NO_DEFAULT_PATH REQUIRED)
file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/fmt")
file(CREATE_LINK "${_fmt_headers}/fmt" "${CMAKE_BINARY_DIR}/fmt/fmt" SYMBOLIC)
add_library(retro_torch INTERFACE)
target_include_directories(retro_torch SYSTEM INTERFACE "${CMAKE_BINARY_DIR}/fmt" ${TORCH_INCLUDE_DIRS})
target_link_libraries(retro_torch INTERFACE ${TORCH_LIBRARIES})
separate_arguments(_torch_flags UNIX_COMMAND "${TORCH_CXX_FLAGS}")
target_compile_options(retro_torch INTERFACE ${_torch_flags})
