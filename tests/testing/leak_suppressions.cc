// Leaks that LeakSanitizer finds in FAISS 1.7.3: what it had made when its loader or its factory threw. Linked into
// every test program of a build with AddressSanitizer.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:faiss::read_index\n"
         "leak:faiss::BlockInvertedListsIOHook::read\n"
         "leak:parse_coarse_quantizer\n";
}
