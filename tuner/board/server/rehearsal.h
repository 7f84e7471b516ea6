// A session before the first one.
#pragma once
#include "options.h"

namespace server {

// Serves one session in this process, on a port of its own that is printed; clients of --key are not
// let in. An emulator translates code when it first runs, and what is forked afterwards has the
// translations: a session takes a third of the time. Ends the program when nobody comes.
void Rehearse(const Options& options);

}  // namespace server
