// The process that serves one client: TVM's RPC endpoint on a socket.
#pragma once

namespace server {

// Global functions a client may call. Once, before the first session.
void RegisterSessionFunctions();

// Serves until the client says goodbye. Returns the exit status of the process.
int RunSession(int fd);

}  // namespace server
