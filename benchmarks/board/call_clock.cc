// Runs on the emulated board, loaded like a kernel: an instrument of TVM's Relax virtual machine
// that notes the model time before and after each call of a kernel.
//
// The first run since loading tells the names of what is called, every run the times; a run begins
// where the time, which the emulator counts from the start of a timed region, goes back.
#include <stddef.h>
#include <tvm/ffi/c_api.h>
#include <tvm/ffi/extra/c_env_api.h>

#include "guest_calls.h"

namespace {

constexpr int kMaxCalls = 4096;
constexpr int kNameBytes = 128;

struct Call {
  uint64_t begin, end;
};

Call calls[kMaxCalls];
char names[kMaxCalls][kNameBytes];
int count;
uint64_t previous;
bool first_run = true;

// The system call of guest_calls.h; kernels have no libc.
uint64_t Now() {
  alignas(64) static uint64_t cycles;
#if defined(__aarch64__)
  register long number __asm__("x8") = GUEST_CALL_NUMBER;
  register long operation __asm__("x0") = GUEST_NOW;
  register void* argument __asm__("x1") = &cycles;
  register long length __asm__("x2") = sizeof cycles;
  __asm__ volatile("svc #0" : "+r"(operation) : "r"(number), "r"(argument), "r"(length) : "memory");
#else
  register long operation __asm__("r0") = GUEST_NOW;
  register void* argument __asm__("r1") = &cycles;
  register long length __asm__("r2") = sizeof cycles;
  __asm__ volatile("push {r7}\n\tmov r7, %[number]\n\tsvc #0\n\tpop {r7}"
                   : "+r"(operation)
                   : "r"(argument), "r"(length), [number] "r"(GUEST_CALL_NUMBER)
                   : "memory");
#endif
  return cycles;
}

const char* Text(const TVMFFIAny& value) {
  if (value.type_index == kTVMFFIRawStr) return value.v_c_str;
  if (value.type_index == kTVMFFISmallStr) return value.v_bytes;
  if (value.type_index == kTVMFFIStr) return TVMFFIBytesGetByteArrayPtr(value.v_obj)->data;
  if (value.type_index == kTVMFFIByteArrayPtr) {
    return static_cast<const TVMFFIByteArray*>(value.v_ptr)->data;
  }
  return "?";
}

void KeepName(const char* text) {
  char* name = names[count];
  for (int i = 0; i + 1 < kNameBytes && text[i] != '\0'; ++i) name[i] = text[i];
}

char* DataOf(const TVMFFIAny& value) {
  const auto* tensor = static_cast<const DLTensor*>(value.v_ptr);
  return static_cast<char*>(tensor->data) + tensor->byte_offset;
}

int ReturnInt(TVMFFIAny* result, int64_t value) {
  result->type_index = kTVMFFIInt;
  result->zero_padding = 0;
  result->v_int64 = value;
  return 0;
}

bool GetFunction(TVMFFIObjectHandle get, const TVMFFIAny& module, const char* name,
                 TVMFFIAny* function) {
  TVMFFIAny arguments[3] = {module, {}, {}};
  arguments[1].type_index = kTVMFFIRawStr;
  arguments[1].v_c_str = name;
  arguments[2].type_index = kTVMFFIBool;
  *function = {};
  return TVMFFIFunctionCall(get, arguments, 3, function) == 0;
}

}  // namespace

extern "C" {

// The loader stores the module of this library here.
__attribute__((visibility("default"))) void* __tvm_ffi__library_ctx = nullptr;

// (virtual machine, this module): the RPC protocol can pass modules, but no functions.
__attribute__((visibility("default"))) int __tvm_ffi_install(void*, const TVMFFIAny* arguments, int,
                                                             TVMFFIAny* result) {
  TVMFFIObjectHandle get;
  if (TVMFFIEnvModLookupFromImports(__tvm_ffi__library_ctx, "ffi.ModuleGetFunction", &get) != 0) {
    return -1;
  }
  TVMFFIAny set_instrument, instrument;
  if (!GetFunction(get, arguments[0], "set_instrument", &set_instrument)) return -1;
  if (!GetFunction(get, arguments[1], "instrument", &instrument)) return -1;
  return TVMFFIFunctionCall(set_instrument.v_obj, &instrument, 1, result);
}

// As relax.VirtualMachine.set_instrument says: (function, its name, whether before, result, ...).
__attribute__((visibility("default"))) int __tvm_ffi_instrument(void*, const TVMFFIAny* arguments,
                                                                int, TVMFFIAny* result) {
  const bool before = arguments[2].v_int64 != 0;
  if (!before) {
    if (count < kMaxCalls) calls[count].end = Now();
    ++count;
    return ReturnInt(result, 0);
  }
  const uint64_t now = Now();
  if (now < previous) {
    count = 0;
    first_run = false;
  }
  previous = now;
  if (count < kMaxCalls) {
    if (first_run) KeepName(Text(arguments[1]));
    calls[count].begin = Now();
  }
  return ReturnInt(result, 0);
}

// () -> number of calls of the last run; more than kMaxCalls were not noted.
__attribute__((visibility("default"))) int __tvm_ffi_count(void*, const TVMFFIAny*, int,
                                                           TVMFFIAny* result) {
  return ReturnInt(result, count);
}

// (int64 tensor of count x 2, int8 tensor of count x kNameBytes): filled.
__attribute__((visibility("default"))) int __tvm_ffi_read(void*, const TVMFFIAny* arguments, int,
                                                          TVMFFIAny* result) {
  auto* times = reinterpret_cast<uint64_t*>(DataOf(arguments[0]));
  char* text = DataOf(arguments[1]);
  for (int i = 0; i < count && i < kMaxCalls; ++i) {
    times[2 * i] = calls[i].begin;
    times[2 * i + 1] = calls[i].end;
    for (int k = 0; k < kNameBytes; ++k) text[i * kNameBytes + k] = names[i][k];
  }
  return ReturnInt(result, 0);
}

}  // extern "C"
