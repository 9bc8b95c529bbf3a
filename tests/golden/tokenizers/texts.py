"""Texts on which tokenizers tend to disagree, as bytes."""

LINES = [
    "", " ", "  ", "a", " a", "Hello, world!", "hello  world   three    spaces", "trailing space ", "tabs\tand\t\ttabs",
    "line\nline\n\nline\n\n\nline\n", "crlf\r\nline\r\n\r\nend\r\n", "\r\r\n \n \r", "\n \n\t\n  x", "  \n  indented\n\tcode();",
    "I'm you're we've he'll she'd it's don't can't", "I'M YOU'RE WE'VE HE'LL SHE'D IT'S DON'T", "'s 't 're 've 'm 'll 'd 'S 'x ''s '' '",
    "curly \u2019s don\u2019t \u2018quoted\u2019 \u201cdouble\u201d", "long s '\u017f x'\u017fy Kelvin '\u212a", "rock'n'roll o'clock 'twas",
    "0 1 12 123 1234 12345 1234567890 3.14159 1,000,000 0x1F 1e-9", "x1y22z333 a1 b2", "  12  34", "$5.00 50% #1 @user a@b.c",
    "decimal digits \u0661\u0662\u0663 \u0967\u0968\u0969 \u09e7\u09e8 \U0001d7d8\U0001d7d9 \uff11\uff12", "roman \u2160\u2161 fraction \u00bd\u00be circled \u2460 superscript x\u00b2 \u3007",
    "caf\u00e9 cafe\u0301 na\u00efve \u00c5ngstr\u00f6m A\u030angstro\u0308m", "\u0301leading mark, stacked a\u0301\u0302\u0303\u0327\u0328", "order a\u0327\u0301 a\u0301\u0327 \u1e9b\u0323",
    "Stra\u00dfe STRASSE \u1e9e \ufb01 \ufb02 \ufb03 o\ufb03ce", "\u0130stanbul I\u0131i \u0130 \u0131 \u011e\u011f", "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03a3\u03c3\u03c2 \u1f88\u1f80",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0401\u0436 \u0439\u0438\u0306", "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd \u0645\u064f\u062d\u064e\u0645\u064e\u0651\u062f \u200f\u0627\u0644",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002abc\u4e2d\u6587def", "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 \u30ac \u304c \u304b\u3099 \uff76\uff9e", "\u4e00\u4e8c\u4e09 \U00020000\U0002a6d6 \U0002b820\U0002b920 \uf900\ufa0e \U0002f800",
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab \uac00\u1100\u1161 \u3131\u314f", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0e04\u0e23\u0e31\u0e1a \u0e19\u0e49\u0e33", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0915\u094d\u0937 \u0958 \u0b95\u0bca \u0d05\u0d02",
    "\u1000\u103c\u1014\u103a\u1019\u102c \u1781\u17d2\u1798\u17c2\u179a \u12a0\u121b\u122d\u129b \u10e5\u10d0\u10e0\u10d7 \u1c90 \u0540\u0561\u0575",
    "emoji \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f \u2764\ufe0f \U0001f44d\U0001f3fd \U0001f1eb\U0001f1f7 1\ufe0f\u20e3",
    "nul \0 \0\0 bell \x07 esc \x1b[31m del \x7f c1 \x80\x85\x9f", "\x0b\x0c\x1c\x1d\x1e\x1f vertical", "nbsp\u00a0word \u00a0\u00a0two\u00a0",
    "spaces \u1680\u2000\u2001\u2002\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000end", "  \u3000 mixed \u2003 \n\u2028x", "zero width \u200b\u200c\u200d\u2060\ufeffx soft\u00adhyphen",
    "bidi \u202a\u202b\u202c\u202d\u202e\u2066\u2069", "private \ue000\uf8ff\U000f0000\U0010fffd", "unassigned \u0378\u0530\U0003ffff\U000e0fff nonchar \uffff\ufdd0\U0010ffff",
    "replacement \ufffd object \ufffc", "math \u2200x\u2208\u211d \u222b\u221e \u2260 \U0001d49c\U0001d4b7 \u210c \u2126 \u00b5\u03bc", "arrows \u2192\u21d2 box \u2500\u2502 \u2588 braille \u2803",
    "!!! ??? ... ---- ==== /* */ // <> {}[]() ;; && || ~~ `` ^^ \\\\", "(parens) [brackets] {braces} <angle> \"quotes\" `ticks`", "snake_case camelCase kebab-case UPPER __init__ a.b.c",
    "http://example.org/path?q=1&r=2#frag user@example.org C:\\dir\\file.txt", "for (int i = 0; i < n; ++i) {\n\t\tsum += a[i];  // comment\r\n\t}\n",
    "!\n\n!!\r\n?\n x", ".\n\n\n\n  .", "a\n", "\n", "\t", " \t ", "\u00a0", "\u3000", "a\u0300\n\u0301b", "don't\u00a0'll \u00a0's", "12\u00a034 \u20035",
    "new digits \U00010d40\U00011de0\U00016ff4\U0001ccf0 x", "new letters \u1c89\ua7cb\ua7dc\U00010d50\U00010d70\U00016ea0", "new marks \u0898a\u08ca \u1abf\u1ac1 \u07fd \U00011938 \u1734\u1715",
    "new punctuation \u2e5d \u061d \u166d \U00011f43 \U00010ead \u09fd x", "format \u0890 \u08e2 \U000110cd \U00013430",
    "<|endoftext|> special <|im_start|>user\nhi<|im_end|>\n<|endoftext|>", "<|endoftext|><|endoftext|>x<|endoftext |> <|endoftext", "[CLS] text [SEP] [MASK] [UNK] [PAD] [cls]",
    "  <|im_start|>  spaced  <|im_end|>  ", "[MASK] [MASK]s x[MASK]y", "un##able ##ing", "antidisestablishmentarianism internationalization", "supercalifragilisticexpialidocious" * 4,
    "x" * 99, "x" * 100, "x" * 101, "\u00e9" * 100, "\u00e9" * 101, "\u4e2d" * 60, "-" * 70, " " * 70 + "x", "\n" * 40, "ab" * 60, "1" * 31, "\u0e01" * 50,
    "All human beings are born free and equal in dignity and rights.", "\u064a\u0648\u0644\u062f \u062c\u0645\u064a\u0639 \u0627\u0644\u0646\u0627\u0633 \u0623\u062d\u0631\u0627\u0631\u0627\u064b \u0645\u062a\u0633\u0627\u0648\u064a\u0646",
    "\u4eba\u4eba\u751f\u800c\u81ea\u7531\uff0c\u5728\u5c0a\u4e25\u548c\u6743\u5229\u4e0a\u4e00\u5f8b\u5e73\u7b49\u3002", "\u3059\u3079\u3066\u306e\u4eba\u9593\u306f\u3001\u751f\u307e\u308c\u306a\u304c\u3089\u306b\u3057\u3066\u81ea\u7531\u3067\u3042\u308a",
    "\ubaa8\ub4e0 \uc778\uac04\uc740 \ud0dc\uc5b4\ub0a0 \ub54c\ubd80\ud130 \uc790\uc720\ub85c\uc6b0\uba70", "T\u00fcm insanlar h\u00fcr, haysiyet ve haklar bak\u0131m\u0131ndan e\u015fit do\u011farlar.",
    "T\u1ea5t c\u1ea3 m\u1ecdi ng\u01b0\u1eddi sinh ra \u0111\u1ec1u \u0111\u01b0\u1ee3c t\u1ef1 do", "\u0412\u0441\u0435 \u043b\u044e\u0434\u0438 \u0440\u043e\u0436\u0434\u0430\u044e\u0442\u0441\u044f \u0441\u0432\u043e\u0431\u043e\u0434\u043d\u044b\u043c\u0438",
    "\u038c\u03bb\u03bf\u03b9 \u03bf\u03b9 \u03ac\u03bd\u03b8\u03c1\u03c9\u03c0\u03bf\u03b9 \u03b3\u03b5\u03bd\u03bd\u03b9\u03bf\u03cd\u03bd\u03c4\u03b1\u03b9 \u03b5\u03bb\u03b5\u03cd\u03b8\u03b5\u03c1\u03bf\u03b9",
    "\u0938\u092d\u0940 \u092e\u0928\u0941\u0937\u094d\u092f\u094b\u0902 \u0915\u094b \u0917\u094c\u0930\u0935", "\u0e21\u0e19\u0e38\u0e29\u0e22\u0e4c\u0e17\u0e31\u0e49\u0e07\u0e2b\u0e25\u0e32\u0e22\u0e40\u0e01\u0e34\u0e14\u0e21\u0e32\u0e21\u0e35\u0e2d\u0e34\u0e2a\u0e23\u0e30",
]

# Not UTF-8: lone surrogates, overlong forms, cut characters. The reference takes only text, so these have no golden
# ids: byte-level BPE must give the bytes back.
INVALID = [b"\xed\xa0\x80", b"a\xed\xbf\xbfb", b"\xff\xfe", b"\xc0\x80", b"\xe2\x82", b"x\xe2\x82 y", b"\xf0\x9f\x98",
           b"\xf4\x90\x80\x80", b"\x80\x80\x80", b"caf\xe9 latin-1", b"' \xc5", b"'\xc5\xbf\xc5", bytes(range(256))]
