#include "exact.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define SIGN 0x80000000u
#define DEFAULT_NAN 0x7fc00000u
#define QUIET 0x00400000u

static float number(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static int is_nan(uint32_t bits) { return (bits & ~SIGN) > 0x7f800000u; }

static int is_signaling(uint32_t bits) { return is_nan(bits) && !(bits & QUIET); }

/* Arm ARM, FPProcessNaNs: the first signaling one, else the first quiet one, made quiet. */
static uint32_t first_nan(const uint32_t *operands, int count) {
  for (int i = 0; i < count; i++)
    if (is_signaling(operands[i])) return operands[i] | QUIET;
  for (int i = 0; i < count; i++)
    if (is_nan(operands[i])) return operands[i];
  return DEFAULT_NAN;
}

/* Below the smallest normal number: 0 of the same sign. */
static uint32_t flushed(uint32_t bits) {
  return (bits & ~SIGN) < 0x00800000u ? bits & SIGN : bits;
}

/* Rounds a product, exact in double; whether it is too small counts before rounding. */
static uint32_t rounded(double exact) {
  uint32_t result = bits_of((float)exact);
  return fabs(exact) < FLT_MIN ? result & SIGN : result;
}

/* Two floats have an exact sum where it matters: below FLT_MIN. */
static uint32_t flushed_sum(uint32_t a, uint32_t b) {
  return flushed(bits_of(number(a) + number(b)));
}

static uint32_t flushed_fused(uint32_t d, uint32_t n, uint32_t m) {
  uint32_t result = bits_of(fmaf(number(n), number(m), number(d)));
  if ((result & ~SIGN) != 0x00800000u) return flushed(result);
  /* FLT_MIN itself: was it less before it was rounded?  The sum in double and what that lost. */
  double product = (double)number(n) * number(m), addend = number(d), sum = product + addend;
  double part = sum - product, lost = (product - (sum - part)) + (addend - part);
  int was_less = fabs(sum) < FLT_MIN || (fabs(sum) == FLT_MIN && lost != 0 && (lost < 0) != (sum < 0));
  return was_less ? result & SIGN : result;
}

static uint32_t a32_lane(enum operation_kind kind, uint32_t d, uint32_t n, uint32_t m) {
  uint32_t result;
  d = flushed(d), n = flushed(n), m = flushed(m);
  switch (kind) {
    case ADD: result = flushed_sum(n, m); break;
    case SUBTRACT: result = flushed_sum(n, m ^ SIGN); break;
    case FUSED_MULTIPLY_ADD: result = flushed_fused(d, n, m); break;
    case FUSED_MULTIPLY_SUBTRACT: result = flushed_fused(d, n ^ SIGN, m); break;
    default: result = rounded((double)number(n) * number(m)); break;
  }
  if (kind == MULTIPLY_ADD) result = flushed_sum(d, result);
  if (kind == MULTIPLY_SUBTRACT) result = flushed_sum(d, result ^ SIGN);
  return is_nan(result) ? DEFAULT_NAN : result;
}

static uint32_t fused(uint32_t d, uint32_t n, uint32_t m) {
  uint32_t result = bits_of(fmaf(number(n), number(m), number(d)));
  if (!is_nan(result)) return result;
  int no_product = (number(n) == 0 && isinf(number(m))) || (isinf(number(n)) && number(m) == 0);
  if (no_product && is_nan(d) && !is_signaling(d)) return DEFAULT_NAN;
  return first_nan((uint32_t[]){d, n, m}, 3);
}

static uint32_t a64_lane(enum operation_kind kind, uint32_t d, uint32_t n, uint32_t m) {
  uint32_t result;
  switch (kind) {
    case FUSED_MULTIPLY_ADD: return fused(d, n, m);
    case FUSED_MULTIPLY_SUBTRACT: return fused(d, n ^ SIGN, m);
    case ADD: result = bits_of(number(n) + number(m)); break;
    case SUBTRACT: result = bits_of(number(n) - number(m)); break;
    default: result = bits_of(number(n) * number(m)); break;
  }
  return is_nan(result) ? first_nan((uint32_t[]){n, m}, 2) : result;
}

uint32_t exact_lane(enum operation_kind kind, int is_a32, uint32_t d, uint32_t n, uint32_t m) {
  return is_a32 ? a32_lane(kind, d, n, m) : a64_lane(kind, d, n, m);
}
