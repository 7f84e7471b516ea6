#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

namespace server {

int Listen(const Options& options, int* port) {
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  if (inet_pton(AF_INET, options.host, &address.sin_addr) != 1) {
    fprintf(stderr, "--host takes a numeric IPv4 address, not '%s'\n", options.host);
    exit(2);
  }
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  int result = -1;
  *port = options.port;
  do {
    address.sin_port = htons(static_cast<uint16_t>(*port));
    result = bind(fd, reinterpret_cast<struct sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EADDRINUSE && ++*port < options.port_end);
  if (result != 0 || listen(fd, 64) != 0) {
    fprintf(stderr, "cannot listen on %s:%d: %s\n", options.host, options.port, strerror(errno));
    exit(2);
  }
  socklen_t length = sizeof address;
  getsockname(fd, reinterpret_cast<struct sockaddr*>(&address), &length);
  *port = ntohs(address.sin_port);
  return fd;
}

}  // namespace server
