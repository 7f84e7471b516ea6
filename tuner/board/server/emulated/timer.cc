// TVM's CPU timer in model time, for whatever times itself on the server.
#include <tvm/ffi/function.h>
#include <tvm/runtime/timer.h>

#include "board_info.h"
#include "hooks.h"

namespace server {
namespace {

namespace ffi = tvm::ffi;

// Timers nest; the outermost one opens the timed region.
int open_timers = 0;

uint64_t ModelCycles() {
  static uint64_t cycles;
  guest_call(GUEST_NOW, &cycles, sizeof cycles);
  return cycles;
}

class ModelTimer final : public tvm::runtime::TimerNode {
 public:
  void Start() final {
    if (open_timers++ == 0) guest_call(GUEST_BEGIN, nullptr, 0);
    started_ = ModelCycles();
  }
  void Stop() final {
    stopped_ = ModelCycles();
    if (--open_timers == 0) guest_call(GUEST_END, LastCounters(), sizeof(uint64_t[GUEST_RESULT_WORDS]));
  }
  int64_t SyncAndGetElapsedNanos() final {
    const double seconds =
        static_cast<double>(stopped_ - started_) / static_cast<double>(ThisBoard().clock_hz);
    return static_cast<int64_t>(seconds * 1e9);
  }
  TVM_FFI_DECLARE_OBJECT_INFO_FINAL("tuner.ModelTimer", ModelTimer, tvm::runtime::TimerNode);

 private:
  uint64_t started_{0}, stopped_{0};
};

}  // namespace

void InstallModelTimer() {
  const auto make = [](tvm::Device) {
    return tvm::runtime::Timer(ffi::make_object<ModelTimer>());
  };
  ffi::Function::SetGlobal("runtime.timer.cpu", ffi::Function::FromTyped(make), true);
}

}  // namespace server
