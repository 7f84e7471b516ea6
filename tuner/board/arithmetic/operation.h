/* Vector instructions whose arithmetic the host can do: of four 32-bit floats, A64 and A32. */
#ifndef OPERATION_H
#define OPERATION_H

#include <stdint.h>

#include "decode.h"

enum operation_kind {
  MULTIPLY_ADD,         /* d += n * m, rounded twice */
  MULTIPLY_SUBTRACT,    /* d -= n * m, rounded twice */
  FUSED_MULTIPLY_ADD,   /* rounded once */
  FUSED_MULTIPLY_SUBTRACT,
  ADD,                  /* d = n + m */
  SUBTRACT,
  MULTIPLY,
  OPERATION_KINDS
};

struct operation {
  uint8_t kind;
  uint8_t by_element; /* m is one float for all four lanes */
  uint8_t is_a32;     /* very small numbers count as 0, and there is one NaN */
  uint8_t element;    /* of register m */
  uint8_t d, n, m;    /* 128-bit registers: v0 to v31 or q0 to q15 */
};

/* Returns 0 when `word` is none of them. */
int operation_of(enum isa isa, uint32_t word, struct operation *out);

enum { MAX_OPERATION_TEXT = 64 };

/* The instruction as the disassembler of QEMU prints it, to be decoded like any other. */
void operation_text(const struct operation *operation, char text[MAX_OPERATION_TEXT]);

#endif
