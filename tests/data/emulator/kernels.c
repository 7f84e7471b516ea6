/* Small programs whose time is known from the core's table; run under QEMU with the emulator.
 * Every kernel runs twice; prints "name cycles instructions ..." (guest_calls.h) for each run. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "guest_calls.h"

#ifdef __aarch64__
#define ADDEND_CHAIN "fmla v0.4s, v1.4s, v2.4s\n"
#define RESULT_CHAIN "fmla v0.4s, v0.4s, v2.4s\n"
#define INDEPENDENT                                                       \
  "fmla v16.4s, v1.4s, v2.4s\n fmla v17.4s, v1.4s, v2.4s\n"               \
  "fmla v18.4s, v1.4s, v2.4s\n fmla v19.4s, v1.4s, v2.4s\n"               \
  "fmla v20.4s, v1.4s, v2.4s\n fmla v21.4s, v1.4s, v2.4s\n"               \
  "fmla v22.4s, v1.4s, v2.4s\n fmla v23.4s, v1.4s, v2.4s\n"
#define VECTORS "v0", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23"
#else
#define ADDEND_CHAIN "vmla.f32 q0, q1, q2\n"
#define RESULT_CHAIN "vmla.f32 q0, q0, q2\n"
#define INDEPENDENT                                                                       \
  "vmla.f32 q8, q1, q2\n vmla.f32 q9, q1, q2\n vmla.f32 q10, q1, q2\n vmla.f32 q11, q1, q2\n" \
  "vmla.f32 q12, q1, q2\n vmla.f32 q13, q1, q2\n vmla.f32 q14, q1, q2\n vmla.f32 q15, q1, q2\n"
#define VECTORS "q0", "q8", "q9", "q10", "q11", "q12", "q13", "q14", "q15"
#endif

enum { NODES = 128, NODE_BYTES = 65 * 64, STEPS = 16 * NODES, FORK_CORES = 4 };

static char memory[NODES * NODE_BYTES] __attribute__((aligned(65536)));
static char big[4 << 20] __attribute__((aligned(65536)));
static uint64_t result[GUEST_RESULT_WORDS];

/* 4096 instructions in 32 rounds of 128, so that what surrounds them is below some percent. */
static void addend_chain(void) {
  for (int i = 0; i < 32; i++) __asm__ volatile(".rept 128\n" ADDEND_CHAIN ".endr" ::: VECTORS);
}

static void result_chain(void) {
  for (int i = 0; i < 32; i++) __asm__ volatile(".rept 128\n" RESULT_CHAIN ".endr" ::: VECTORS);
}

static void independent(void) {
  for (int i = 0; i < 32; i++) __asm__ volatile(".rept 16\n" INDEPENDENT ".endr" ::: VECTORS);
}

/* A ring of pointers a page and a line apart, in an order no prefetcher follows. */
static void make_ring(void) {
  for (int i = 0; i < NODES; i++) {
    char *node = memory + i * 37 % NODES * NODE_BYTES;
    *(void **)node = memory + (i + 1) * 37 % NODES * NODE_BYTES;
  }
}

static void chase(int steps) {
  void *volatile *at = (void *volatile *)memory;
  for (int i = 0; i < steps; i++) at = (void *volatile *)*at;
  __asm__ volatile("" ::"r"(at));
}

static void chase_once(void) { chase(NODES); }
static void chase_again(void) { chase(STEPS); }

static void branches(int random) {
  uint32_t state = 1;
  for (int i = 0; i < 2000; i++) {
    state = state * 1664525u + 1013904223u;
    if (random ? state >> 31 : 1) __asm__ volatile("nop");
    __asm__ volatile("" ::: "memory");
  }
}

static void random_branches(void) { branches(1); }
static void steady_branches(void) { branches(0); }

static void stores(void) { memset(big, 1, sizeof big); }

/* Loads no hardware prefetcher foresees, each with a while of work; with and without a hint. */
static void scattered(int hint) {
  char *node = memory;
  int sum = 0;
  for (int i = 0; i < NODES; i++, node += NODE_BYTES) {
    if (hint) __builtin_prefetch(node + 2 * NODE_BYTES);
    sum += *(volatile int *)node;
    __asm__ volatile(".rept 64\n" ADDEND_CHAIN ".endr" : "+r"(sum) : : VECTORS);
  }
}

static void scattered_loads(void) { scattered(0); }
static void scattered_hinted(void) { scattered(1); }

/* Loads of a word across two cache lines, and next to there; each waits for the one before. */
static void dependent_loads(char *at) {
  memset(at, 0, 8);
  uintptr_t offset = 0;
  for (int i = 0; i < STEPS; i++)
    __asm__ volatile("ldr %0, [%1, %0]" : "+r"(offset) : "r"(at));
}

static void split_loads(void) { dependent_loads(big + 62); }
static void whole_loads(void) { dependent_loads(big + 48); }

/* 96 KiB of code, twice what the largest instruction cache holds, run four times over. */
static void big_code(void) {
  for (int i = 0; i < 4; i++) __asm__ volatile(".rept 24576\n nop\n .endr");
}

static void parallel_chains(void) {
  guest_call(GUEST_FORK, 0, 0);
  for (unsigned long core = 0; core < FORK_CORES; core++) {
    guest_call_core(GUEST_TASK_BEGIN, core);
    addend_chain();
    guest_call(GUEST_TASK_END, 0, 0);
  }
  guest_call(GUEST_JOIN, 0, 0);
}

static void print_result(const char *name) {
  guest_call(GUEST_END, result, 0);
  printf("%s", name);
  for (int i = 0; i < GUEST_RESULT_WORDS; i++) printf(" %llu", (unsigned long long)result[i]);
  printf("\n");
}

enum start { COLD, WARM, PRELOADED };

static void run(const char *name, void (*kernel)(void), enum start start) {
  for (int i = 0; i < 2; i++) {
    guest_call(GUEST_FLUSH, 0, 0);
    if (start == PRELOADED) guest_call(GUEST_PRELOAD, memory, sizeof memory);
    if (start == WARM) {
      guest_call(GUEST_BEGIN, 0, 0);
      kernel();
      guest_call(GUEST_END, 0, 0);
    }
    guest_call(GUEST_BEGIN, 0, 0);
    kernel();
    print_result(name);
  }
}

int main(void) {
  struct guest_hello hello;
  memset(&hello, 0, sizeof hello);
  guest_call(GUEST_HELLO, &hello, 0);
  printf("hello %x %u %u %u %llu %s %s\n", hello.magic, hello.abi_version, hello.model_version,
         hello.cores, (unsigned long long)hello.clock_hz, hello.board, hello.core);
  uint64_t now = 99;
  guest_call(GUEST_NOW, &now, 0);
  printf("outside %llu\n", (unsigned long long)now);
  run("addend_chain", addend_chain, WARM);
  run("result_chain", result_chain, WARM);
  run("independent", independent, WARM);
  run("random_branches", random_branches, WARM);
  run("steady_branches", steady_branches, WARM);
  run("parallel_chains", parallel_chains, WARM);
  make_ring();
  run("chase_dram", chase_once, COLD);
  run("chase_l2", chase_once, PRELOADED);
  run("chase_l1", chase_again, WARM);
  run("scattered_loads", scattered_loads, COLD);
  run("scattered_hinted", scattered_hinted, COLD);
  run("split_loads", split_loads, WARM);
  run("whole_loads", whole_loads, WARM);
  run("big_code", big_code, WARM);
  run("stores", stores, COLD);
  return 0;
}
