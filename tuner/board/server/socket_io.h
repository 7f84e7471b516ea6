// Blocking sockets: whole messages or nothing, and a clock to wait by.
#pragma once
#include <cstddef>

namespace server {

bool SendAll(int fd, const void* data, size_t size);
bool ReceiveAll(int fd, void* data, size_t size);

// A blocked send or receive fails after this many seconds; 0 = never.
void SetSocketTimeout(int fd, int seconds);

double MonotonicSeconds();

}  // namespace server
