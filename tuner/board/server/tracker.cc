#include "tracker.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "log.h"
#include "socket_io.h"
#include "supervisor.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0x2000
#endif

namespace server {
namespace {

constexpr int32_t kTrackerMagic = 0x2F271;
enum TrackerCode { kPut = 3, kUpdateInfo = 5, kPendingKeys = 7 };  // tvm/rpc/base.py
constexpr int kPingMilliseconds = 2000;
constexpr int kMissedPings = 3;  // then a key that was handed out counts as abandoned
constexpr unsigned kRetrySeconds = 5;

int Dial(const std::string& address) {
  const size_t colon = address.rfind(':');
  struct addrinfo wanted = {}, *found = nullptr;
  wanted.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(address.substr(0, colon).c_str(), address.c_str() + colon + 1, &wanted, &found)) {
    return -1;
  }
  int fd = -1;
  for (const struct addrinfo* each = found; each != nullptr && fd < 0; each = each->ai_next) {
    fd = socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, each->ai_addr, each->ai_addrlen) != 0) {
      close(fd);
      fd = -1;
    }
  }
  freeaddrinfo(found);
  if (fd >= 0) SetSocketTimeout(fd, 10);
  return fd;
}

// One connection to the tracker. Every call returns false when the connection is lost.
class Connection {
 public:
  Connection(const Options& options, int port) : key_(options.key), port_(std::to_string(port)) {
    address_ = options.custom_addr ? '"' + std::string(options.custom_addr) + '"' : "null";
    fd_ = Dial(options.tracker);
  }
  ~Connection() {
    if (fd_ >= 0) close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }

  bool Open() {
    int32_t magic = kTrackerMagic;
    return fd_ >= 0 && SendAll(fd_, &magic, sizeof magic) &&
           ReceiveAll(fd_, &magic, sizeof magic) && magic == kTrackerMagic &&
           Ask(kUpdateInfo,
               "{\"key\": \"server:" + key_ + "\", \"addr\": [" + address_ + ", " + port_ + "]}");
  }

  bool Offer(const char* match_key) {
    return Ask(kPut, '"' + key_ + "\", [" + port_ + ", \"" + match_key + "\"], " + address_);
  }

  bool IsPending(const char* match_key, bool* pending) {
    if (!Ask(kPendingKeys, "")) return false;
    *pending = reply_.find('"' + std::string(match_key) + '"') != std::string::npos;
    return true;
  }

 private:
  // Messages are JSON lists, with their length in front.
  bool Ask(TrackerCode code, const std::string& arguments) {
    const std::string comma = arguments.empty() ? "" : ", ";
    const std::string message = "[" + std::to_string(code) + comma + arguments + "]";
    int32_t length = static_cast<int32_t>(message.size());
    if (!SendAll(fd_, &length, sizeof length) || !SendAll(fd_, message.data(), message.size()) ||
        !ReceiveAll(fd_, &length, sizeof length) || length <= 0 || length > (1 << 20)) {
      return false;
    }
    reply_.resize(static_cast<size_t>(length));
    return ReceiveAll(fd_, &reply_[0], reply_.size());
  }

  std::string key_, port_, address_, reply_;
  int fd_;
};

std::string FreshKey(const char* board_key) {
  // Clients prove with it that the tracker sent them, so it must not be guessable.
  uint64_t random = 0;
  if (getrandom(&random, sizeof random, 0) != sizeof random) random = static_cast<uint64_t>(getpid());
  return board_key + (":0." + std::to_string(random));
}

// Keeps the board offered until the connection is lost.
void StayRegistered(Connection* tracker, const char* board_key, int session_ended_fd,
                    MatchKey* match_key) {
  bool offer = !match_key->Used();  // false: a client kept the board while the tracker was away
  int missed = 0;
  for (;;) {
    if (offer) {
      match_key->Set(FreshKey(board_key).c_str());
      if (!tracker->Offer(match_key->Get())) return;
      offer = false;
      missed = 0;
    }
    struct pollfd events[2] = {{session_ended_fd, POLLIN, 0}, {tracker->fd(), POLLRDHUP, 0}};
    const int ready = poll(events, 2, kPingMilliseconds);
    if (events[1].revents != 0) return;
    if (ready > 0 && (events[0].revents & POLLIN)) {
      char drained[64];
      if (read(session_ended_fd, drained, sizeof drained) > 0) offer = true;
    } else if (ready == 0) {
      bool pending = false;
      if (!tracker->IsPending(match_key->Get(), &pending)) return;
      // Handed out by the tracker, but no client came with it: replace it.
      missed = pending || match_key->Used() ? 0 : missed + 1;
      if (missed > kMissedPings) offer = true;
    }
  }
}

}  // namespace

// Two slots, so that a reader never sees a half-written key.
struct MatchKey::Shared {
  char slots[2][256];
  std::atomic<unsigned> current;
  std::atomic<bool> used;
};

MatchKey::MatchKey(const char* first) {
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                      -1, 0);
  if (memory == MAP_FAILED) {
    perror("no memory for the match key");
    exit(1);
  }
  shared_ = static_cast<Shared*>(memory);
  Set(first);
}

const char* MatchKey::Get() const { return shared_->slots[shared_->current.load()]; }

void MatchKey::Set(const char* key) {
  const unsigned next = 1 - shared_->current.load();
  snprintf(shared_->slots[next], sizeof shared_->slots[next], "%s", key);
  shared_->current.store(next);
}

bool MatchKey::Used() const { return shared_->used.load(); }

void MatchKey::SetUsed(bool used) { shared_->used.store(used); }

int StartTracker(const Options& options, int port, MatchKey* match_key) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    perror("pipe");
    exit(1);
  }
  const pid_t parent = getpid(), child = fork();
  if (child < 0) {
    perror("fork");
    exit(1);
  }
  if (child != 0) {
    close(ends[0]);
    return ends[1];
  }
  DieWithParent(SIGKILL, parent);
  close(ends[1]);
  for (;;) {
    {
      Connection tracker(options, port);
      if (tracker.Open()) StayRegistered(&tracker, options.key, ends[0], match_key);
    }
    Log("tracker %s is not reachable, trying again in %u s", options.tracker, kRetrySeconds);
    sleep(kRetrySeconds);
  }
}

}  // namespace server
