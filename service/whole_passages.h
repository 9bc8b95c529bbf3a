// Chunks that were found, as text to answer from. A chunk is cut where its tokens end, in the middle of what it says; a
// reader wants whole sentences, and the same text once.
#pragma once

#include <vector>

#include "retriever/retrieval_database.h"

namespace retro {

// Each passage, given as a chunk, goes from the beginning of the sentence in which its chunk begins to the end of the
// last whole sentence of the chunk after it. Passages of one document whose chunks follow each other, with at most one
// between, become one, in the place and with the chunk of the first, and with the best score. A chunk whose
// surroundings hold no end of a sentence is given as they are. Throws Error(kCorruption, kIo).
std::vector<Passage> WholePassages(const RetrievalDatabase& database, std::vector<Passage> found);

}  // namespace retro
