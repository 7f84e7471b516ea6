// Registration with a TVM RPC tracker, in a process of its own: the listener must not use the heap.
#pragma once
#include "options.h"

namespace server {

// The key a client must present (with a tracker a fresh one per session, else the board's), and
// whether one did. In memory shared by the listener, the tracker process and the supervisors.
class MatchKey {
 public:
  explicit MatchKey(const char* first);
  const char* Get() const;
  void Set(const char* key);
  bool Used() const;
  void SetUsed(bool used);

 private:
  struct Shared;
  Shared* shared_;
};

// Starts the process that keeps us listed under options.key as listening on `port`. Returns a pipe:
// a byte written to it says that a session has ended, so the board is free again.
int StartTracker(const Options& options, int port, MatchKey* match_key);

}  // namespace server
