#include "compute.h"

#include <math.h>
#include <string.h>

#include "exact.h"

typedef float floats __attribute__((vector_size(16)));
typedef uint32_t words __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

#if defined(__x86_64__) && !defined(NO_FAST) /* a test compares */
#define HAS_FAST
#endif
#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE floats vector_at(const char *place) {
  floats value;
  memcpy(&value, place, sizeof value);
  return value;
}

ALWAYS_INLINE floats element_at(const char *place) {
  float value;
  memcpy(&value, place, sizeof value);
  return (floats){value, value, value, value};
}

ALWAYS_INLINE floats fused(floats n, floats m, floats d) {
  floats result;
  for (int i = 0; i < 4; i++) result[i] = fmaf(n[i], m[i], d[i]);
  return result;
}

ALWAYS_INLINE words least(words a, words b) {
  words result;
  for (int i = 0; i < 4; i++) result[i] = a[i] < b[i] ? a[i] : b[i];
  return result;
}

/* 0 gives the largest number, then come the smallest floats in order; the sign is gone. */
ALWAYS_INLINE words size_order(floats value) { return ((words)value << 1) - 1; }

/* Up to the smallest normal number, which a smaller one may have been rounded to; not 0. */
ALWAYS_INLINE words is_tiny(words order) { return (words)(order < 0x01000000u); }

ALWAYS_INLINE int any(words mask) {
  halves both = (halves)mask;
  return (both[0] | both[1]) != 0;
}

static __attribute__((noinline)) floats exact(enum operation_kind kind, int is_a32, floats d,
                                              floats n, floats m) {
  words result;
  for (int i = 0; i < 4; i++)
    result[i] = exact_lane(kind, is_a32, ((words)d)[i], ((words)n)[i], ((words)m)[i]);
  return (floats)result;
}

ALWAYS_INLINE void one(char *file, const struct placed_operation *at, enum operation_kind kind,
                       int is_a32) {
  floats n = vector_at(file + at->n), d = vector_at(file + at->d), product = n, result;
  floats m = at->by_element ? element_at(file + at->m) : vector_at(file + at->m);
  switch (kind) {
    case FUSED_MULTIPLY_ADD: result = fused(n, m, d); break;
    case FUSED_MULTIPLY_SUBTRACT: result = fused(-n, m, d); break;
    case ADD: result = n + m; break;
    case SUBTRACT: result = n - m; break;
    case MULTIPLY: result = n * m; break;
    case MULTIPLY_ADD: result = d + (product = n * m); break;
    default: result = d - (product = n * m); break;
  }
  words strange = (words)(result != result);
  if (is_a32) {
    words order = least(least(size_order(n), size_order(m)), size_order(result));
    if (kind < ADD) order = least(order, size_order(d));
    if (kind < FUSED_MULTIPLY_ADD) order = least(order, size_order(product));
    strange |= is_tiny(order);
  }
  if (__builtin_expect(any(strange), 0)) result = exact(kind, is_a32, d, n, m);
  memcpy(file + at->d, &result, sizeof result);
}

ALWAYS_INLINE void run(char *file, const struct placed_operation *at, int is_a32) {
  for (;; at++) {
    switch (at->kind) {
      case MULTIPLY_ADD: one(file, at, MULTIPLY_ADD, is_a32); break;
      case MULTIPLY_SUBTRACT: one(file, at, MULTIPLY_SUBTRACT, is_a32); break;
      case FUSED_MULTIPLY_ADD: one(file, at, FUSED_MULTIPLY_ADD, is_a32); break;
      case FUSED_MULTIPLY_SUBTRACT: one(file, at, FUSED_MULTIPLY_SUBTRACT, is_a32); break;
      case ADD: one(file, at, ADD, is_a32); break;
      case SUBTRACT: one(file, at, SUBTRACT, is_a32); break;
      default: one(file, at, MULTIPLY, is_a32); break;
    }
    if (at->is_last) return;
  }
}

static void run_a32(char *file, const struct placed_operation *first) { run(file, first, 1); }

static void run_a64(char *file, const struct placed_operation *first) { run(file, first, 0); }

#ifdef HAS_FAST
#define FAST __attribute__((target("avx2,fma")))

FAST static void run_a32_fast(char *file, const struct placed_operation *first) {
  run(file, first, 1);
}

FAST static void run_a64_fast(char *file, const struct placed_operation *first) {
  run(file, first, 0);
}
#endif

compute_function compute_on(int is_a32) {
#ifdef HAS_FAST
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return is_a32 ? run_a32_fast : run_a64_fast;
#endif
  return is_a32 ? run_a32 : run_a64;
}
