// The socket that clients connect to.
#pragma once
#include "options.h"

namespace server {

// Binds and listens; stores the port. Ends the program when that fails.
int Listen(const Options& options, int* port);

}  // namespace server
