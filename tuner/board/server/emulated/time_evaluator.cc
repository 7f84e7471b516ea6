// time_evaluator in model time. A deterministic model needs no repetition: the function runs once
// (cold) or twice (a warm-up first), and number, min_repeat_ms and the cooldown are of no effect.
#include <alloca.h>
#include <string.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/module.h>
#include <tvm/ffi/function.h>

#include <string>

#include "board_info.h"
#include "elf_loader.h"
#include "hooks.h"

namespace server {
namespace {

namespace ffi = tvm::ffi;

constexpr size_t kStackAlignment = 64 << 10;  // as for tensors, see arena.cc
constexpr int kMaxArguments = 64;
constexpr int kMaxDimensions = 16;
constexpr const char* kColdCaches = "cache_flush_cpu_non_first_arg";

struct Target {
  TVMFFISafeCallType kernel;  // nullptr: call `function`
  ffi::Function function;
};

bool IsTensor(const TVMFFIAny& value) {
  return value.type_index == kTVMFFIDLTensorPtr || value.type_index == kTVMFFITensor;
}

DLTensor* TensorOf(const TVMFFIAny& value) {
  if (value.type_index == kTVMFFIDLTensorPtr) return static_cast<DLTensor*>(value.v_ptr);
  return TVMFFITensorGetDLTensorPtr(value.v_obj);
}

// The arguments of a kernel at fixed addresses: clients' copies lie on the heap.
class CanonicalArguments {
 public:
  const TVMFFIAny* Set(const TVMFFIAny* values, int count) {
    if (count > kMaxArguments) {
      TVM_FFI_THROW(ValueError) << "a kernel with " << count << " arguments cannot be timed; at most "
                                << kMaxArguments;
    }
    for (int i = 0; i < count; ++i) {
      values_[i] = values[i];
      if (!IsTensor(values[i])) continue;
      const DLTensor* tensor = TensorOf(values[i]);
      if (tensor->ndim > kMaxDimensions) {
        TVM_FFI_THROW(ValueError) << "a tensor with " << tensor->ndim << " dimensions cannot be timed";
      }
      const size_t bytes = sizeof(int64_t) * static_cast<size_t>(tensor->ndim);
      tensors_[i] = *tensor;
      memcpy(shapes_[i], tensor->shape, bytes);
      tensors_[i].shape = shapes_[i];
      if (tensor->strides != nullptr) {
        memcpy(strides_[i], tensor->strides, bytes);
        tensors_[i].strides = strides_[i];
      }
      values_[i].type_index = kTVMFFIDLTensorPtr;
      values_[i].v_ptr = &tensors_[i];
    }
    return values_;
  }

 private:
  alignas(64) TVMFFIAny values_[kMaxArguments];
  alignas(64) DLTensor tensors_[kMaxArguments];
  alignas(64) int64_t shapes_[kMaxArguments][kMaxDimensions];
  alignas(64) int64_t strides_[kMaxArguments][kMaxDimensions];
};

CanonicalArguments canonical_arguments;

void Call(const Target& target, const TVMFFIAny* values, int count) {
  if (target.kernel != nullptr) {
    TVMFFIAny result = {};
    TVM_FFI_CHECK_SAFE_CALL(target.kernel(nullptr, values, count, &result));
  } else {
    ffi::Any result;
    target.function.CallPacked(reinterpret_cast<const ffi::AnyView*>(values), count, &result);
  }
}

// One run of the target as a timed region; the region ends also when the target throws.
void CallTimed(const Target& target, const TVMFFIAny* values, int count) {
  struct Region {
    Region() { guest_call(GUEST_BEGIN, nullptr, 0); }
    ~Region() { guest_call(GUEST_END, LastCounters(), sizeof(uint64_t[GUEST_RESULT_WORDS])); }
  } region;
  Call(target, values, count);
}

void PreloadFirstTensor(const TVMFFIAny* values, int count) {
  for (int i = 0; i < count; ++i) {
    if (!IsTensor(values[i])) continue;
    const DLTensor* tensor = TensorOf(values[i]);
    guest_call(GUEST_PRELOAD, static_cast<char*>(tensor->data) + tensor->byte_offset,
               static_cast<unsigned long>(ffi::GetDataSize(*tensor)));
    return;
  }
}

// Cold: everything in DRAM but the first tensor, which the layer before has just written to L2.
// Warm: as after an earlier run of the same function.
__attribute__((noinline)) void Measure(const Target& target, const TVMFFIAny* values, int count,
                                       bool cold) {
  guest_call(GUEST_FLUSH, nullptr, 0);
  if (cold) {
    PreloadFirstTensor(values, count);
  } else {
    CallTimed(target, values, count);
  }
  CallTimed(target, values, count);
}

// Moves the stack to a canonical place and measures there: how deep we are depends on the path and
// the command line of the server.
__attribute__((noinline)) void MeasureOnAlignedStack(const Target& target, const TVMFFIAny* values,
                                                     int count, bool cold) {
  const auto frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  void* padding = alloca(frame % kStackAlignment);
  __asm__ volatile("" : : "r"(padding) : "memory");  // keep it
  Measure(target, values, count, cold);
  __asm__ volatile("" : : "r"(padding) : "memory");  // and no tail call
}

Target FindTarget(const ffi::Optional<ffi::Module>& module, const std::string& name) {
  Target target = {nullptr, nullptr};
  const ffi::Optional<ffi::Function> function = module.has_value()
                                                    ? module.value()->GetFunction(name, true)
                                                    : ffi::Function::GetGlobal(name);
  if (!function.has_value()) TVM_FFI_THROW(ValueError) << "there is no function " << name;
  target.function = *function;
  if (module.has_value()) target.kernel = KernelEntry(module.value(), name);
  return target;
}

// The twelve arguments of TVM's own runtime.RPCTimeEvaluator.
ffi::Function MakeEvaluator(ffi::Optional<ffi::Module> module, std::string name, int /*device_type*/,
                            int /*device_id*/, int /*number*/, int repeat, int /*min_repeat_ms*/,
                            int /*limit_zero_time_iterations*/, int /*cooldown_interval_ms*/,
                            int /*repeats_to_cooldown*/, int cache_flush_bytes,
                            std::string preparation) {
  if (!preparation.empty() && preparation != kColdCaches) {
    TVM_FFI_THROW(ValueError) << "f_preproc '" << preparation << "' is unknown to the emulated board; "
                              << "use '" << kColdCaches << "' or ''";
  }
  const bool cold = !preparation.empty() || cache_flush_bytes > 0;
  const Target target = FindTarget(module, name);
  return ffi::Function::FromPacked([=](ffi::PackedArgs arguments, ffi::Any* result) {
    const auto* values = reinterpret_cast<const TVMFFIAny*>(arguments.data());
    if (target.kernel != nullptr) values = canonical_arguments.Set(values, arguments.size());
    MeasureOnAlignedStack(target, values, arguments.size(), cold);
    const double seconds = static_cast<double>(LastCounters()[GUEST_CYCLES]) /
                           static_cast<double>(ThisBoard().clock_hz);
    std::string times;
    for (int i = 0; i < repeat; ++i) {
      times.append(reinterpret_cast<const char*>(&seconds), sizeof seconds);
    }
    *result = ffi::Bytes(std::move(times));
  });
}

}  // namespace

void InstallTimeEvaluator() {
  ffi::Function::SetGlobal("runtime.RPCTimeEvaluator", ffi::Function::FromTyped(MakeEvaluator), true);
}

}  // namespace server
