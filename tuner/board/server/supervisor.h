// The process between the listener and a session: greets the client, makes the session's folder,
// runs the session in a child and outlives whatever happens to that.
#pragma once
#include "options.h"
#include "tracker.h"

namespace server {

// Runs in a process of its own; does not return.
[[noreturn]] void Supervise(int fd, const Options& options, MatchKey* match_key);

// The process gets `signal` when its parent dies, also if that happened just before the call.
void DieWithParent(int signal, int parent);

}  // namespace server
