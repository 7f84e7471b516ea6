// The functions kernels may call: they stand in for libc, libm, libgcc and the TVM runtime.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <tvm/ffi/extra/c_env_api.h>
#include <tvm/ffi/function.h>
#include <tvm/runtime/c_backend_api.h>

#include <unordered_map>

#include "elf_loader.h"

extern "C" {
// Names the compiler emits on armv7: division and conversions the instruction set lacks (libgcc),
// and memory functions of the ARM run-time ABI. Only their addresses matter, hence `void f()`.
#if !defined(__LP64__)
#define FOR_EACH_AEABI(X)                                                                       \
  X(__aeabi_idiv) X(__aeabi_uidiv) X(__aeabi_idivmod) X(__aeabi_uidivmod) X(__aeabi_ldivmod)    \
  X(__aeabi_uldivmod) X(__aeabi_l2f) X(__aeabi_l2d) X(__aeabi_ul2f) X(__aeabi_ul2d)             \
  X(__aeabi_f2lz) X(__aeabi_d2lz) X(__aeabi_f2ulz) X(__aeabi_d2ulz) X(__aeabi_memcpy)           \
  X(__aeabi_memcpy4) X(__aeabi_memcpy8) X(__aeabi_memset) X(__aeabi_memset4) X(__aeabi_memset8) \
  X(__aeabi_memclr) X(__aeabi_memclr4) X(__aeabi_memclr8) X(__aeabi_memmove)
#else
#define FOR_EACH_AEABI(X)
#endif
#define DECLARE(name) void name();
FOR_EACH_AEABI(DECLARE)
#undef DECLARE
}

namespace server {
namespace {

// Unwind tables and exit handlers refer to these; kernels neither throw nor exit.
void Nothing() {}

template <typename Function>
void* Address(Function* function) {
  return reinterpret_cast<void*>(function);
}

std::unordered_map<std::string, void*> MakeTable() {
  std::unordered_map<std::string, void*> table = {
      {"__aeabi_unwind_cpp_pr0", Address(Nothing)},
      {"__aeabi_unwind_cpp_pr1", Address(Nothing)},
      {"__cxa_finalize", Address(Nothing)},
#define ENTRY(name) {#name, Address(name)},
      FOR_EACH_AEABI(ENTRY)
      ENTRY(malloc) ENTRY(free) ENTRY(abort)
      ENTRY(memcpy) ENTRY(memset) ENTRY(memmove) ENTRY(memcmp)
      ENTRY(TVMFFIErrorSetRaisedFromCStr) ENTRY(TVMFFIErrorSetRaisedFromCStrParts)
      ENTRY(TVMFFIFunctionCall) ENTRY(TVMFFIEnvModLookupFromImports)
      ENTRY(TVMBackendParallelLaunch) ENTRY(TVMBackendParallelBarrier)
      ENTRY(TVMBackendAllocWorkspace) ENTRY(TVMBackendFreeWorkspace)
#undef ENTRY
// The double and the float version; the cast picks one of C++'s overloads.
#define MATH1(name)                                                \
  {#name, Address(static_cast<double (*)(double)>(::name))},       \
      {#name "f", Address(static_cast<float (*)(float)>(::name##f))},
#define MATH2(name)                                                        \
  {#name, Address(static_cast<double (*)(double, double)>(::name))},       \
      {#name "f", Address(static_cast<float (*)(float, float)>(::name##f))},
      MATH1(exp) MATH1(exp2) MATH1(expm1) MATH1(log) MATH1(log2) MATH1(log10) MATH1(log1p)
      MATH1(sqrt) MATH1(cbrt) MATH1(sin) MATH1(cos) MATH1(tan) MATH1(asin) MATH1(acos) MATH1(atan)
      MATH1(sinh) MATH1(cosh) MATH1(tanh) MATH1(asinh) MATH1(acosh) MATH1(atanh) MATH1(erf)
      MATH1(erfc) MATH1(floor) MATH1(ceil) MATH1(round) MATH1(trunc) MATH1(rint) MATH1(nearbyint)
      MATH1(fabs) MATH1(tgamma) MATH1(lgamma)
      MATH2(pow) MATH2(atan2) MATH2(fmod) MATH2(fmin) MATH2(fmax) MATH2(hypot) MATH2(copysign)
      MATH2(nextafter)
#undef MATH1
#undef MATH2
  };
  return table;
}

std::unordered_map<std::string, void*>& Table() {
  static auto* table = new std::unordered_map<std::string, void*>(MakeTable());
  return *table;
}

}  // namespace

void* FindServerSymbol(const std::string& name) {
  const auto found = Table().find(name);
  return found != Table().end() ? found->second : nullptr;
}

void ReplaceServerSymbol(const std::string& name, void* address) { Table()[name] = address; }

}  // namespace server
