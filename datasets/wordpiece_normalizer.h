// What BERT does to a text before it looks for words.
#pragma once

#include <string>
#include <string_view>

namespace retro {

struct BertNormalization {
  bool clean_text = true;            // no control characters, every white space a plain space
  bool handle_chinese_chars = true;  // a space around every ideograph
  bool strip_accents = true;
  bool lowercase = true;
};

// Appends the normalized `text` to `out`, always valid UTF-8. Safe from many threads.
void NormalizeForBert(std::string_view text, const BertNormalization& options, std::string& out);

}  // namespace retro
