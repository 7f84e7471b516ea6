#include "session.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <tvm/ffi/extra/module.h>
#include <tvm/ffi/function.h>

#include <memory>
#include <string>

#include "board_health.h"
#include "board_info.h"
#include "log.h"
#include "rpc/rpc_endpoint.h"
#include "workspace.h"

namespace server {
namespace {

namespace ffi = tvm::ffi;

class SocketChannel final : public tvm::runtime::RPCChannel {
 public:
  explicit SocketChannel(int fd) : fd_(fd) {}

  size_t Send(const void* data, size_t size) final {
    ssize_t sent;
    do {
      sent = send(fd_, data, size, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) TVM_FFI_THROW(RPCError) << "cannot send to the client: " << strerror(errno);
    return static_cast<size_t>(sent);
  }

  // All `size` bytes, unless the client hangs up. The endpoint grows its buffer by what it gets, so
  // short reads would make the heap, and with it the addresses of later objects, depend on timing.
  size_t Recv(void* data, size_t size) final {
    size_t total = 0;
    while (total < size) {
      const ssize_t got = recv(fd_, static_cast<char*>(data) + total, size - total, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) TVM_FFI_THROW(RPCError) << "cannot receive from the client: " << strerror(errno);
      if (got == 0) break;
      total += static_cast<size_t>(got);
    }
    return total;
  }

 private:
  int fd_;
};

template <typename Callable>
void SetGlobal(const char* name, Callable callable) {
  ffi::Function::SetGlobal(name, ffi::Function::FromTyped(callable), /*override=*/true);
}

}  // namespace

void RegisterSessionFunctions() {
  SetGlobal("tvm.rpc.server.workpath", [](std::string name) { return PathInWorkspace(name); });
  SetGlobal("tvm.rpc.server.load_module",
            [](std::string name) { return ffi::Module::LoadFromFile(PathInWorkspace(name)); });
  SetGlobal("tvm.rpc.server.listdir", [](std::string name) { return ListWorkspace(name); });
  SetGlobal("tuner.board.set_cycle_budget", [](int64_t cycles) {
    static uint64_t budget;  // not on the stack: the emulator reads it through the address
    budget = cycles > 0 ? static_cast<uint64_t>(cycles) : 0;
    guest_call(GUEST_BUDGET, &budget, sizeof budget);
  });
  SetGlobal("tuner.board.describe", [] { return DescribeBoard(); });
  SetGlobal("tuner.board.health", [] { return DescribeHealth(); });
  SetGlobal("tuner.board.counters", [] { return DescribeCounters(); });
}

int RunSession(int fd) {
  try {
    using tvm::runtime::RPCEndpoint;
    RPCEndpoint::Create(std::make_unique<SocketChannel>(fd), "SockServerLoop", "")->ServerLoop();
  } catch (const std::exception& error) {
    Log("session ended by an error: %.300s", error.what());
    return 1;
  }
  return 0;
}

}  // namespace server
