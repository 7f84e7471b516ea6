/* How a program on the emulated board talks to the emulator: one unused system call.
 *
 * The guest calls syscall(GUEST_CALL_NUMBER, operation, argument, length).  A real kernel knows no
 * such call: it answers -ENOSYS and touches nothing, so that the same binary runs on a real board.
 * The emulator sees the call, acts, and writes results straight into guest memory; the return value
 * is -ENOSYS there too and must be ignored.  Shared by the emulator (C) and the server (C++). */
#ifndef GUEST_CALLS_H
#define GUEST_CALLS_H

#include <stdint.h>

#define GUEST_CALL_NUMBER 4242
#define GUEST_HELLO_MAGIC 0x4d524154u /* "TARM" */
#define GUEST_ABI_VERSION 3u
#define GUEST_RESULT_WORDS 16
#define GUEST_OVER_BUDGET 75 /* exit status of a process whose timed region took too many cycles */

enum guest_call {
  GUEST_HELLO = 0,      /* argument: struct guest_hello *, filled */
  GUEST_BEGIN = 1,      /* a timed region begins: pipeline drained, caches kept */
  GUEST_END = 2,        /* it ends; argument: uint64_t[GUEST_RESULT_WORDS] or 0, filled */
  GUEST_FORK = 3,       /* a parallel loop begins; its tasks follow one after the other */
  GUEST_TASK_BEGIN = 4, /* argument: the core this task runs on, 0 .. cores - 1 */
  GUEST_TASK_END = 5,
  GUEST_JOIN = 6,       /* the loop ends: time of the slowest core, bounded by DRAM bandwidth */
  GUEST_FLUSH = 7,      /* empty caches, forget branch and prefetch history, all cores */
  GUEST_PRELOAD = 8,    /* argument, length: put these bytes in L2, as if just written there */
  GUEST_NOW = 9,        /* argument: uint64_t *, cycles since the region began (0 outside one) */
  GUEST_BUDGET = 10,    /* argument: const uint64_t *, most cycles a region may take; 0: any number */
  GUEST_VECTORS = 11,   /* argument: const char[32], what the first two vector registers hold now */
  GUEST_LIBRARY = 12,   /* argument, length: machine code was loaded there, none of it ran yet */
  GUEST_CODE = 13       /* argument, length: of that, these bytes are instructions, and writable */
};

/* Meaning of the result words of GUEST_END.  They count the region just ended only. */
enum guest_result {
  GUEST_CYCLES = 0,
  GUEST_INSTRUCTIONS = 1,
  GUEST_L1D_ACCESSES = 2,
  GUEST_L1D_MISSES = 3,
  GUEST_L2_MISSES = 4,
  GUEST_PREFETCHES = 5,
  GUEST_BRANCHES = 6,
  GUEST_MISPREDICTS = 7,
  GUEST_UNDECODED = 8, /* executed instructions whose timing the emulator does not know */
  GUEST_DRAM_LINES = 9 /* cache lines read from or written to DRAM */
};

/* Zero it before the call: it stays zero on a real board. */
struct guest_hello {
  uint32_t magic;
  uint32_t abi_version;
  uint32_t model_version; /* of the timing model; printed with every emulated figure */
  uint32_t cores;
  uint64_t clock_hz;
  char board[32];
  char core[32];
};

#ifdef __linux__
#include <unistd.h>

#if !defined(_GNU_SOURCE) && !defined(_DEFAULT_SOURCE)
long syscall(long number, ...); /* what unistd.h hides from strict C */
#endif

/* All arguments are one machine word wide: on armv7 a 64-bit argument would take two registers. */
static inline void guest_call(enum guest_call operation, const void *argument, unsigned long length) {
  (void)syscall(GUEST_CALL_NUMBER, (long)operation, argument, length);
}

/* GUEST_VECTORS with the first two vector registers holding these 32 bytes. */
static inline void guest_call_vectors(const char *bytes) {
#if defined(__aarch64__)
  register long number __asm__("x8") = GUEST_CALL_NUMBER;
  register long operation __asm__("x0") = GUEST_VECTORS;
  register const char *argument __asm__("x1") = bytes;
  __asm__ volatile("ldp q0, q1, [x1]\n svc #0"
                   : "+r"(operation) : "r"(number), "r"(argument) : "v0", "v1", "memory");
#elif defined(__arm__)
  register long number __asm__("r7") = GUEST_CALL_NUMBER;
  register long operation __asm__("r0") = GUEST_VECTORS;
  register const char *argument __asm__("r1") = bytes;
  __asm__ volatile("vld1.8 {q0, q1}, [r1]\n svc #0"
                   : "+r"(operation) : "r"(number), "r"(argument) : "q0", "q1", "memory");
#else
  (void)bytes;
#endif
}

static inline void guest_call_core(enum guest_call operation, unsigned long core) {
  (void)syscall(GUEST_CALL_NUMBER, (long)operation, core, 0L);
}
#endif

#endif
