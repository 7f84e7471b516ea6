#include "supervisor.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "guest_calls.h"
#include "log.h"
#include "protocol.h"
#include "session.h"
#include "socket_io.h"
#include "workspace.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0x2000
#endif

namespace server {
namespace {

constexpr unsigned kGreetingSeconds = 5;  // a silent peer must not hold the board
constexpr double kGraceSeconds = 2;       // for a session whose client is gone to end by itself

volatile sig_atomic_t stop_requested = 0;

enum class Ending { kByItself, kTimeLimit, kClientGone, kServerStops };

struct Outcome {
  Ending ending;
  int status;  // of waitpid
};

// Waits for the session, killing it when its time is up or nobody waits for its answers.
// `wake` is the signal mask during waits: it lets SIGCHLD, SIGTERM and SIGINT through.
Outcome WatchSession(pid_t session, int fd, double limit_seconds, const sigset_t* wake) {
  const double forever = 1e9;
  const double deadline = MonotonicSeconds() + (limit_seconds > 0 ? limit_seconds : forever);
  double client_gone_at = forever + deadline;
  bool client_here = true;
  int status = 0;
  while (waitpid(session, &status, WNOHANG) == 0) {
    const double now = MonotonicSeconds();
    const double end = std::min(deadline, client_gone_at + kGraceSeconds);
    if (stop_requested || now >= end) {
      kill(-session, SIGKILL);
      waitpid(session, &status, 0);
      if (stop_requested) return {Ending::kServerStops, status};
      return {client_here ? Ending::kTimeLimit : Ending::kClientGone, status};
    }
    const double wait = std::min(end - now, 3600.0);
    const time_t seconds = static_cast<time_t>(wait);
    const struct timespec limit = {
        seconds, static_cast<long>((wait - static_cast<double>(seconds)) * 1e9)};
    struct pollfd client = {fd, POLLRDHUP, 0};
    const int events = ppoll(&client, client_here ? 1 : 0, &limit, wake);
    if (events > 0) {
      client_here = false;
      client_gone_at = MonotonicSeconds();
    }
  }
  return {Ending::kByItself, status};
}

void TellClient(int fd, const Outcome& outcome, double limit_seconds) {
  char message[256];
  if (outcome.ending == Ending::kTimeLimit) {
    snprintf(message, sizeof message,
             "RPCSessionTimeoutError: Your %gs session has expired, try to increase the "
             "\"session_timeout\" value.",
             limit_seconds);
  } else if (outcome.ending == Ending::kServerStops) {
    snprintf(message, sizeof message, "RPCServerError: the server was stopped");
  } else if (WIFSIGNALED(outcome.status)) {
    const int number = WTERMSIG(outcome.status);
    snprintf(message, sizeof message,
             "RPCServerError: the session process died by signal %d (%s): the code it ran is at "
             "fault; the server goes on",
             number, strsignal(number));
  } else if (WEXITSTATUS(outcome.status) == GUEST_OVER_BUDGET) {
    snprintf(message, sizeof message,
             "RPCServerError: the timed run took more cycles than the session's cycle budget; the "
             "server goes on");
  } else if (WEXITSTATUS(outcome.status) != 0) {
    snprintf(message, sizeof message,
             "RPCServerError: the session process ended with status %d; the server goes on",
             WEXITSTATUS(outcome.status));
  } else {
    return;
  }
  Log("session: %s", message);
  SendException(fd, message);
}

[[noreturn]] void BecomeSession(int fd, const sigset_t* mask, pid_t parent) {
  // A group of its own: whatever the code of a client starts ends with the session.
  setpgid(0, 0);
  DieWithParent(SIGKILL, parent);
  signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  sigprocmask(SIG_SETMASK, mask, nullptr);
  if (!EnterWorkspace()) _exit(1);
  const int status = RunSession(fd);
  _exit(status);  // no static destructors: worker threads may still be spinning
}

}  // namespace

void DieWithParent(int signal, int parent) {
  prctl(PR_SET_PDEATHSIG, signal);
  if (getppid() != parent) _exit(1);
}

void Supervise(int fd, const Options& options, MatchKey* match_key) {
  alarm(kGreetingSeconds);  // its default action ends this process, however the peer trickles
  const Greeting greeting = Greet(fd, match_key->Get(), options.key);
  alarm(0);
  if (!greeting.accepted) {
    Log("refused a connection: not a TVM RPC client, or a wrong key");
    _exit(0);
  }
  match_key->SetUsed(true);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!MakeWorkspace(options.work_dir)) {
    char message[400];
    snprintf(message, sizeof message, "RPCServerError: cannot make a folder in %s: %s",
             options.work_dir, strerror(errno));
    Log("%s", message);
    SendException(fd, message);
    _exit(0);
  }

  struct sigaction stop = {};
  stop.sa_handler = [](int) { stop_requested = 1; };
  sigaction(SIGTERM, &stop, nullptr);
  sigaction(SIGINT, &stop, nullptr);
  struct sigaction child_ended = {};
  child_ended.sa_handler = [](int) {};
  sigaction(SIGCHLD, &child_ended, nullptr);
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGCHLD);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGINT);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  sigset_t wake = before;
  sigdelset(&wake, SIGCHLD);
  sigdelset(&wake, SIGTERM);
  sigdelset(&wake, SIGINT);

  const pid_t self = getpid(), session = fork();
  if (session == 0) BecomeSession(fd, &wake, self);
  if (session < 0) {
    SendException(fd, "RPCServerError: the board cannot start another process");
  } else {
    setpgid(session, session);  // also here: the child may not have run yet when we kill the group
    const double limit =
        greeting.limit_seconds > 0 ? greeting.limit_seconds : options.session_limit;
    TellClient(fd, WatchSession(session, fd, limit, &wake), limit);
    kill(-session, SIGKILL);  // anything the session left behind
  }
  close(fd);
  RemoveWorkspace();
  _exit(0);
}

}  // namespace server
