// TVM's RPC wire protocol outside the runtime's own endpoint: greeting and late error messages.
#pragma once
#include <cstdint>

namespace server {

inline constexpr int32_t kRpcMagic = 0xFF271;
inline constexpr int32_t kRpcMismatch = kRpcMagic + 2;

struct Greeting {
  bool accepted;
  double limit_seconds;  // the client's session_timeout; 0 = it named none
};

// Reads the client's greeting and answers it. Uses no heap: the session that is forked afterwards
// must find the same heap whatever the client wrote.
Greeting Greet(int fd, const char* match_key, const char* server_key);

// Tells a client that waits for an answer that none will come, in the form of an exception.
// The part of `message` before the first ": " becomes the kind of the client's RPCError.
void SendException(int fd, const char* message);

}  // namespace server
