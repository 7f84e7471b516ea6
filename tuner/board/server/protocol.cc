#include "protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tvm/support/serializer.h>

#include "rpc/minrpc/rpc_reference.h"
#include "socket_io.h"

namespace server {
namespace {

constexpr int32_t kMaxKeyBytes = 1024;

class SocketStream final : public tvm::support::Stream {
 public:
  explicit SocketStream(int fd) : fd_(fd) {}
  using Stream::Read;
  using Stream::Write;
  size_t Read(void* data, size_t size) final { return ReceiveAll(fd_, data, size) ? size : 0; }
  size_t Write(const void* data, size_t size) final { return SendAll(fd_, data, size) ? size : 0; }
  void MessageStart(uint64_t) {}  // called by RPCReference
  void MessageDone() {}

 private:
  int fd_;
};

}  // namespace

// The client sends kRpcMagic, a length and "client:<match key>[ -timeout=<seconds>]"; the answer is
// kRpcMagic, a length and "server:<key>", or kRpcMismatch alone.
Greeting Greet(int fd, const char* match_key, const char* server_key) {
  int32_t magic = 0, length = 0;
  char text[kMaxKeyBytes + 1];
  if (!ReceiveAll(fd, &magic, sizeof magic) || magic != kRpcMagic ||
      !ReceiveAll(fd, &length, sizeof length) || length < 0 || length > kMaxKeyBytes ||
      !ReceiveAll(fd, text, static_cast<size_t>(length))) {
    return {false, 0};
  }
  text[length] = 0;
  char* client_options = strchr(text, ' ');
  if (client_options != nullptr) *client_options++ = 0;

  char expected[kMaxKeyBytes];
  snprintf(expected, sizeof expected, "client:%s", match_key);
  if (strcmp(text, expected) != 0) {
    SendAll(fd, &kRpcMismatch, sizeof kRpcMismatch);
    return {false, 0};
  }
  char answer[kMaxKeyBytes];
  length = snprintf(answer, sizeof answer, "server:%s", server_key);
  if (!SendAll(fd, &kRpcMagic, sizeof kRpcMagic) || !SendAll(fd, &length, sizeof length) ||
      !SendAll(fd, answer, static_cast<size_t>(length))) {
    return {false, 0};
  }
  const char* limit = client_options != nullptr ? strstr(client_options, "-timeout=") : nullptr;
  return {true, limit != nullptr ? atof(limit + strlen("-timeout=")) : 0};
}

void SendException(int fd, const char* message) {
  SetSocketTimeout(fd, 2);  // the client may be gone
  SocketStream stream(fd);
  tvm::runtime::RPCReference::ReturnException(message, &stream);
}

}  // namespace server
