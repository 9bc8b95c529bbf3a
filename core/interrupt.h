// Ctrl-C and SIGTERM as a flag that long loops look at between two units of work.
#pragma once

namespace retro {

// From now on SIGINT and SIGTERM set the flag; a second SIGINT ends the process at once. SIGXFSZ is ignored, so that a
// limit on file sizes gives Error(kIo) instead of an end without a word.
void InstallInterruptHandler();

bool Interrupted();

// Throws Error(kUnavailable) when the flag is set: what is finished is on disk, and the same command goes on from
// there.
void ThrowIfInterrupted();

// For tests, and before a further command in one process.
void SetInterrupted(bool value);

}  // namespace retro
