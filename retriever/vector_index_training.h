// The steps in which an index with lists is trained, so that the costly one, the centroids, can be taken by many
// processes. All on the calling thread: the bits do not depend on how many cores there are. Internal to retriever.
#pragma once

#include <faiss/Index.h>

#include <cstdint>
#include <span>
#include <vector>

namespace retro {

// How many centroids an index needs that k-means over its (transformed) vectors gives and SetListCentroids takes; 0:
// it has them, has no lists, or its coarse quantizer is none of plain vectors and trains itself.
uint64_t NumCentroidsWanted(const faiss::Index& index);

// Width of the vectors that lists are compared with: behind the transforms. REQUIRES: the index has lists
int64_t CentroidDim(const faiss::Index& index);

// Trains the transforms (OPQ, PCA) that need it.
void TrainTransforms(faiss::Index& index, std::span<const float> vectors);
// REQUIRES: trained transforms
std::vector<float> ApplyTransforms(const faiss::Index& index, std::span<const float> vectors);

// REQUIRES: NumCentroidsWanted() rows of CentroidDim()
void SetListCentroids(faiss::Index& index, std::span<const float> centroids);

}  // namespace retro
