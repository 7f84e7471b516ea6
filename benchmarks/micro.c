/* Times single instructions, pointer chases and streams on the emulated board; micro.py writes
 * cases.h and reads what is printed: "name cycles" a line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest_calls.h"

enum { LINE = 64, ROUNDS = 32, PER_ROUND = 128 };

static void *self;                                           /* points to itself */
static char scratch[LINE] __attribute__((aligned(LINE)));    /* of stores */
static char *memory;
static size_t lines;                                         /* of the ring */
static uint64_t result[GUEST_RESULT_WORDS];
static volatile uint32_t sink;

#include "cases.h" /* struct {name, function} cases[], RING_BYTES, STREAM_BYTES */

/* The caches take notice of what is in a region only, so each run is one. */
static void time_it(const char *name, void (*function)(void), int warm_ups) {
  for (int i = 0; i <= warm_ups; i++) {
    guest_call(GUEST_BEGIN, 0, 0);
    function();
    guest_call(GUEST_END, result, 0);
  }
  printf("%s %llu\n", name, (unsigned long long)result[GUEST_CYCLES]);
}

/* A ring through every line in an order that no prefetcher follows (Sattolo's algorithm). */
static void make_ring(size_t bytes) {
  lines = bytes / LINE;
  uint32_t *order = malloc(lines * sizeof *order), state = 1;
  for (size_t i = 0; i < lines; i++) order[i] = (uint32_t)i;
  for (size_t i = lines - 1; i > 0; i--) {
    state = state * 1664525u + 1013904223u;
    size_t other = (size_t)(((uint64_t)state * i) >> 32);
    uint32_t swapped = order[i];
    order[i] = order[other];
    order[other] = swapped;
  }
  for (size_t i = 0; i < lines; i++)
    *(void **)(memory + (size_t)order[i] * LINE) = memory + (size_t)order[(i + 1) % lines] * LINE;
  free(order);
}

static void chase(void) {
  void *at = memory;
  for (size_t i = 0; i < lines; i += 8)
    for (int j = 0; j < 8; j++) __asm__ volatile("ldr %0, [%0]" : "+r"(at));
}

static void read_stream(void) {
  uint32_t sum = 0;
  const uint32_t *at = (const uint32_t *)memory;
  for (size_t i = 0; i < STREAM_BYTES / sizeof *at; i++) sum += at[i];
  sink = sum;
}

static void write_stream(void) { memset(memory, 1, STREAM_BYTES); }

static void copy_stream(void) { memcpy(memory + STREAM_BYTES, memory, STREAM_BYTES); }

int main(void) {
  self = &self;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    time_it(cases[i].name, cases[i].function, 1);
  size_t largest = 2 * (size_t)STREAM_BYTES;
  memory = aligned_alloc(65536, largest);
  memset(memory, 0, largest);
  for (size_t i = 0; i < sizeof ring_bytes / sizeof *ring_bytes; i++) {
    make_ring(ring_bytes[i]);
    char name[32];
    snprintf(name, sizeof name, "ring%zu", i);
    time_it(name, chase, 1);
  }
  guest_call(GUEST_FLUSH, 0, 0);
  time_it("read", read_stream, 0);
  guest_call(GUEST_FLUSH, 0, 0);
  time_it("write", write_stream, 0);
  guest_call(GUEST_FLUSH, 0, 0);
  time_it("copy", copy_stream, 0);
  return 0;
}
