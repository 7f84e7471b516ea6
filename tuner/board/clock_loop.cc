// Loaded like a kernel: a chain of additions, each of which needs the one before. On every core
// that we know an addition takes one cycle then, so that the time of the chain tells the clock.
//
// main(count): LENGTH x count additions.
#include <tvm/ffi/c_api.h>

#define ADDITION "add %[sum], %[sum], #1\n\t"
#define TIMES4(text) text text text text
#define CHAIN TIMES4(TIMES4(TIMES4(TIMES4(TIMES4(ADDITION)))))  // LENGTH of tuner.measure.health

extern "C" __attribute__((visibility("default"))) int __tvm_ffi_main(void*,
                                                                     const TVMFFIAny* arguments,
                                                                     int, TVMFFIAny* result) {
  long sum = 0;
  for (int64_t count = arguments[0].v_int64; count > 0; --count) {
    __asm__ volatile(CHAIN : [sum] "+r"(sum));
  }
  result->type_index = kTVMFFIInt;
  result->zero_padding = 0;
  result->v_int64 = sum;
  return 0;
}
