# The FAISS that scripts/setup built: one static library with AVX2 kernels.
include(CMakeFindDependencyMacro)
find_dependency(OpenMP)
set(BLA_VENDOR OpenBLAS)
find_dependency(BLAS)
find_dependency(LAPACK)
get_filename_component(_faiss_root "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET faiss_avx2)
  add_library(faiss_avx2 STATIC IMPORTED)
  set_target_properties(faiss_avx2 PROPERTIES
    IMPORTED_LOCATION "${_faiss_root}/lib/libfaiss_avx2.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_faiss_root}/include"
    INTERFACE_LINK_LIBRARIES "OpenMP::OpenMP_CXX;${LAPACK_LIBRARIES};${BLAS_LIBRARIES}")
endif()
