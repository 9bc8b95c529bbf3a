// fault_injection.cc as a library for LD_PRELOAD, told by the environment:
//   RETRO_FAULT=CALL:KIND:NUMBER:FOLDER   write, sync, rename or open : ENOSPC, EIO, short or full : from 1, 0 counts
//   only RETRO_FAULT_REPORT=FILE               at the end: the number of such calls, and the path where one failed
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

#include "tests/testing/fault_injection.h"

namespace retro {
namespace {

Fault::Call CallNamed(const std::string& name) {
  if (name == "write") return Fault::Call::kWrite;
  if (name == "sync") return Fault::Call::kSync;
  if (name == "rename") return Fault::Call::kRename;
  return name == "open" ? Fault::Call::kOpen : Fault::Call::kNone;
}

Fault::Kind KindNamed(const std::string& name) {
  if (name == "ENOSPC") return Fault::Kind::kNoSpace;
  if (name == "short") return Fault::Kind::kShortWrite;
  return name == "full" ? Fault::Kind::kFullDisk : Fault::Kind::kIoError;
}

[[gnu::constructor]] void Begin() {
  const char* text = std::getenv("RETRO_FAULT");
  if (text == nullptr) return;
  std::istringstream fields(text);
  std::string call, kind, number, folder;
  std::getline(fields, call, ':');
  std::getline(fields, kind, ':');
  std::getline(fields, number, ':');
  std::getline(fields, folder);
  SetFault({CallNamed(call), KindNamed(kind), std::strtoull(number.c_str(), nullptr, 10), folder});
}

[[gnu::destructor]] void End() {
  const FaultReport report = ClearFault();
  const char* name = std::getenv("RETRO_FAULT_REPORT");
  if (name == nullptr) return;
  if (FILE* file = std::fopen(name, "w")) {
    std::fprintf(file, "%llu %s\n", static_cast<unsigned long long>(report.calls), report.path.c_str());
    std::fclose(file);
  }
}

}  // namespace
}  // namespace retro
