// Parallel loops without threads: the tasks run one after the other, and the emulator, told which
// core each belongs to, lets their times overlap. The number of tasks never depends on the host.
#include <tvm/ffi/c_api.h>
#include <tvm/ffi/extra/c_env_api.h>
#include <tvm/runtime/c_backend_api.h>

#include "board_info.h"
#include "elf_loader.h"
#include "hooks.h"

namespace server {
namespace {

// requested 0 = as many as there are cores
int LaunchSequentially(FTVMParallelLambda task, void* data, int requested) {
  const BoardInfo& board = ThisBoard();
  TVMParallelGroupEnv environment;
  environment.sync_handle = nullptr;
  environment.num_task = requested > 0 ? requested : board.threads;
  int status = 0;
  guest_call(GUEST_FORK, nullptr, 0);
  for (int i = 0; i < environment.num_task && status == 0; ++i) {
    guest_call_core(GUEST_TASK_BEGIN, static_cast<unsigned long>(i % board.threads));
    status = task(i, &environment, data);
    guest_call(GUEST_TASK_END, nullptr, 0);
  }
  guest_call(GUEST_JOIN, nullptr, 0);
  return status;
}

int RefuseBarrier(int, TVMParallelGroupEnv* environment) {
  if (environment->num_task == 1) return 0;
  TVMFFIErrorSetRaisedFromCStr("RuntimeError",
                               "the emulated board runs the tasks of a parallel loop one after the "
                               "other, so they cannot wait for each other at a barrier");
  return -1;
}

}  // namespace

void InstallSequentialTasks() {
  // Kernels find these by a pointer TVM fills in (the last registration wins) or by name.
  void* launch = reinterpret_cast<void*>(LaunchSequentially);
  void* barrier = reinterpret_cast<void*>(RefuseBarrier);
  TVMFFIEnvModRegisterContextSymbol("__TVMBackendParallelLaunch", launch);
  TVMFFIEnvModRegisterContextSymbol("__TVMBackendParallelBarrier", barrier);
  ReplaceServerSymbol("TVMBackendParallelLaunch", launch);
  ReplaceServerSymbol("TVMBackendParallelBarrier", barrier);
}

}  // namespace server
