// TVM RPC server for a board without Python; the same file runs under the emulator.
//
// Three kinds of processes: this listener, one supervisor per connection, one session below it.
// The listener only accepts and forks. It touches the heap no more once it listens, so that every
// session starts from an identical heap and emulated times do not depend on what ran before. (Before
// that, it may serve one client itself: rehearsal.cc.)
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "board_info.h"
#include "elf_loader.h"
#include "emulated/hooks.h"
#include "log.h"
#include "listen.h"
#include "options.h"
#include "rehearsal.h"
#include "session.h"
#include "supervisor.h"
#include "tracker.h"

namespace server {
namespace {

constexpr int kParentCheckMilliseconds = 500;
constexpr unsigned kStopSeconds = 3;

// The supervisors now running. A fixed array: see the top of this file.
struct Children {
  pid_t pids[kMaxSessions] = {};
  int count = 0;

  void Add(pid_t pid) { pids[count++] = pid; }
  void Remove(pid_t pid) {
    for (int i = 0; i < count; ++i) {
      if (pids[i] == pid) pids[i] = pids[--count];
    }
  }
};

volatile sig_atomic_t stop_requested = 0;

// Takes leave of ended supervisors.
void Reap(Children* children, MatchKey* match_key, int tracker_fd) {
  pid_t pid;
  while ((pid = waitpid(-1, nullptr, WNOHANG)) > 0) {
    children->Remove(pid);
    if (!match_key->Used()) continue;  // that was no client of ours
    match_key->SetUsed(false);
    if (tracker_fd >= 0 && write(tracker_fd, "", 1) < 0) continue;  // pipe full: it knows already
  }
}

// Ends with all sessions: they get the time to remove their folders.
[[noreturn]] void Stop(const Children& children) {
  alarm(kStopSeconds);
  signal(SIGALRM, SIG_DFL);
  for (int i = 0; i < children.count; ++i) kill(children.pids[i], SIGTERM);
  for (int i = 0; i < children.count; ++i) waitpid(children.pids[i], nullptr, 0);
  _exit(0);
}

void OnSignal(int number, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigaction(number, &action, nullptr);
}

[[noreturn]] void AcceptForever(int listen_fd, const Options& options, MatchKey* match_key,
                                int tracker_fd) {
  // Signals arrive only during ppoll, so that none is lost between a look and the wait.
  OnSignal(SIGCHLD, [](int) {});
  OnSignal(SIGTERM, [](int) { stop_requested = 1; });
  OnSignal(SIGINT, [](int) { stop_requested = 1; });
  sigset_t blocked, open;
  sigemptyset(&blocked);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&blocked, number);
  sigprocmask(SIG_BLOCK, &blocked, &open);

  const pid_t self = getpid();
  Children children;
  for (;;) {
    Reap(&children, match_key, tracker_fd);
    const bool orphan = options.exit_with != 0 && getppid() != options.exit_with;
    if (stop_requested || orphan) Stop(children);
    struct pollfd event = {listen_fd, POLLIN, 0};
    const struct timespec limit = {0, kParentCheckMilliseconds * 1000000L};
    const int ready = ppoll(&event, children.count < options.sessions ? 1 : 0,
                            options.exit_with != 0 ? &limit : nullptr, &open);
    if (ready <= 0) continue;
    const int fd = accept4(listen_fd, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const pid_t child = fork();
    if (child == 0) {
      for (const int number : {SIGTERM, SIGINT}) signal(number, SIG_DFL);
      sigprocmask(SIG_SETMASK, &open, nullptr);
      DieWithParent(SIGTERM, self);
      close(listen_fd);
      Supervise(fd, options, match_key);
    }
    if (child > 0) children.Add(child);
    close(fd);
  }
}

}  // namespace
}  // namespace server

int main(int argc, char** argv) {
  const server::Options options = server::ParseOptions(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  tzset();
  server::InstallElfLoader();
  if (server::ThisBoard().emulated) server::InstallEmulatedHooks();
  server::RegisterSessionFunctions();
  // Before the rehearsal: QEMU drops its translations when a program asks for shared memory.
  server::MatchKey match_key(options.key);
  if (options.rehearse) server::Rehearse(options);
  int port;
  const int listen_fd = server::Listen(options, &port);
  if (strncmp(options.host, "127.", 4) != 0) {
    server::Log("warning: RPC runs any code it is sent, and whoever reaches %s can send some",
                options.host);
  }
  int tracker_fd = -1;
  if (options.tracker != nullptr) tracker_fd = server::StartTracker(options, port, &match_key);
  printf("listening on %s:%d\n", options.host, port);
  fflush(stdout);
  server::AcceptForever(listen_fd, options, &match_key, tracker_fd);
}
