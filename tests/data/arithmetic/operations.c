/* Every vector operation that the host computes for QEMU, on numbers where arithmetics differ: prints
 * the bits of all results.  Its code is copied to where the emulator may change it. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "guest_calls.h"

#define TEXT(x) #x
#define STRING(x) TEXT(x)

/* One function of the operands' address: d, n, m, of four floats each; the result goes to d. */
#ifdef __aarch64__
#define FUNCTION(name, instruction)                                                       \
  __asm__(".text\n.p2align 4\n" name ":\n ldp q0, q1, [x0]\n ldr q2, [x0, #32]\n"         \
          instruction "\n str q0, [x0]\n ret\n" name "_end:\n");
#else
#define FUNCTION(name, instruction)                                                       \
  __asm__(".text\n.arm\n.p2align 4\n" name ":\n vldm r0, {d0-d5}\n" instruction           \
          "\n vst1.32 {d0-d1}, [r0]\n bx lr\n" name "_end:\n");
#endif
#define OPERATION(number, instruction) FUNCTION("operation_" STRING(number), instruction)
#include "operations.h"
#undef OPERATION

#define OPERATION(number, instruction) \
  extern const char operation_##number[], operation_##number##_end[];
#include "operations.h"
#undef OPERATION

static const struct {
  const char *begin, *end, *text;
} operations[] = {
#define OPERATION(number, instruction) {operation_##number, operation_##number##_end, instruction},
#include "operations.h"
#undef OPERATION
};

enum { SLOT = 128, SPECIAL = 21, ROUNDS = 4000 };

static const uint32_t special[SPECIAL] = {
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007fffff, 0x807fffff, 0x00800000,
    0x80800000, 0x00800001, 0x3f800000, 0xbf800000, 0x3fc00000, 0x7f7fffff, 0xff7fffff,
    0x7f800000, 0xff800000, 0x7fc00000, 0xffc01234, 0x7f800001, 0xffa00000, 0x5f000000};

static uint32_t state = 1;

static uint32_t random_bits(void) {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

/* Special ones; products and sums around the smallest normal number, 2^-126; any others. */
static uint32_t operand(int is_addend) {
  uint32_t sign = random_bits() % 2 << 31, fraction = random_bits() & 0x7fffff;
  switch (random_bits() % 4) {
    case 0: return special[random_bits() % SPECIAL];
    case 1: return sign | ((is_addend ? 0u : 63u) + random_bits() % 3) << 23 | fraction;
    case 2: return sign | (is_addend ? 1u : 64u) << 23 | (random_bits() % 2 ? 0 : 0x7ffffe);
    default: return sign | (97 + random_bits() % 60) << 23 | fraction;
  }
}

int main(void) {
  char *memory = mmap(0, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  size_t count = sizeof operations / sizeof *operations;
  if (memory == MAP_FAILED) return 1;
  static const char shown[32] = "the first two vector registers";
  guest_call_vectors(shown);
  for (size_t i = 0; i < count; i++)
    memcpy(memory + SLOT * i, operations[i].begin, (size_t)(operations[i].end - operations[i].begin));
  guest_call(GUEST_LIBRARY, memory, 1 << 16);
  guest_call(GUEST_CODE, memory, SLOT * count);
  int changed = 0;
  for (size_t i = 0; i < count; i++)
    changed += memcmp(memory + SLOT * i, operations[i].begin,
                      (size_t)(operations[i].end - operations[i].begin)) != 0;
  mprotect(memory, 1 << 16, PROT_READ | PROT_EXEC);
  __builtin___clear_cache(memory, memory + (1 << 16));
  fprintf(stderr, "%d of %d replaced\n", changed, (int)count);
  for (size_t i = 0; i < count; i++) {
    printf("%s\n", operations[i].text);
    for (int round = 0; round < ROUNDS; round++) {
      uint32_t operands[12] __attribute__((aligned(16)));
      for (int k = 0; k < 12; k++) operands[k] = operand(k < 4);
      printf("%08x %08x %08x:", operands[0], operands[4], operands[8]);
      void (*function)(uint32_t *) = (void (*)(uint32_t *))(void *)(memory + SLOT * i);
      function(operands);
      printf(" %08x %08x %08x %08x\n", operands[0], operands[1], operands[2], operands[3]);
    }
  }
  return 0;
}
