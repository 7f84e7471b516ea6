#include "rehearsal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"
#include "protocol.h"
#include "session.h"
#include "workspace.h"

namespace server {
namespace {

constexpr int kPatienceMilliseconds = 20000;
constexpr unsigned kLongestSeconds = 60;

[[noreturn]] void Fail(const char* why) {
  fprintf(stderr, "the rehearsal failed: %s\n", why);
  exit(2);
}

int AcceptOne() {
  Options options;
  options.port = 0;
  int port;
  const int listen_fd = Listen(options, &port);
  printf("rehearsal on %s:%d\n", options.host, port);
  fflush(stdout);
  struct pollfd event = {listen_fd, POLLIN, 0};
  if (poll(&event, 1, kPatienceMilliseconds) != 1) Fail("nobody came");
  const int fd = accept4(listen_fd, nullptr, nullptr, SOCK_CLOEXEC);
  close(listen_fd);
  return fd;
}

}  // namespace

void Rehearse(const Options& options) {
  const int fd = AcceptOne();
  alarm(kLongestSeconds);  // its default action ends this process
  if (fd < 0 || !Greet(fd, "rehearsal", "rehearsal").accepted) Fail("a stranger came");
  if (!MakeWorkspace(options.work_dir)) Fail("no folder can be made in the working folder");
  const int status = RunSession(fd);
  alarm(0);
  RemoveWorkspace();
  close(fd);
  if (status != 0) Fail("the session ended by an error");
}

}  // namespace server
