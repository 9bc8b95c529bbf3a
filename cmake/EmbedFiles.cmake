# cmake -DFILES=a|b -DROOT=FOLDER -DOUT=FILE.cc -P EmbedFiles.cmake: writes a source file that holds the bytes of FILES,
# named relative to ROOT (service/http/embedded_file.h).
string(REPLACE "|" ";" FILES "${FILES}")
set(arrays "")
set(table "")
set(number 0)
foreach(file ${FILES})
  file(RELATIVE_PATH name "${ROOT}" "${file}")
  file(READ "${file}" bytes HEX)
  string(LENGTH "${bytes}" length)
  math(EXPR size "${length} / 2")
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "constexpr unsigned char kFile${number}[] = {${bytes}0};\n")
  string(APPEND table "    {\"${name}\", {reinterpret_cast<const char*>(kFile${number}), ${size}}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUT}" "// Made by cmake/EmbedFiles.cmake.
#include \"service/http/embedded_file.h\"

namespace retro {
namespace {

${arrays}
const EmbeddedFile kFiles[] = {
${table}};

}  // namespace

std::span<const EmbeddedFile> EmbeddedFiles() { return kFiles; }

}  // namespace retro
")
