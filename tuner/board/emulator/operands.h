/* The operand part of a line of disassembly. */
#ifndef OPERANDS_H
#define OPERANDS_H

#include "decode.h"

enum { MAX_OPERANDS = 40 };

struct operand {
  uint8_t registers[2]; /* an A32 q register is two */
  uint8_t count;        /* 0: the zero register */
  uint8_t is_vector;
  uint8_t quad;
  uint8_t bytes;      /* register width */
  uint8_t in_memory;  /* inside [...] */
  uint8_t in_list;    /* inside {...} */
  uint8_t lane;       /* followed by an index: v0.s[1], d0[1], d0[] */
  uint8_t element;    /* bytes of one lane when known, else 0 */
  uint8_t after_memory;
};

struct operands {
  struct operand items[MAX_OPERANDS];
  int count;
  int commas;
  int has_memory;
  int has_list;
  int writeback;  /* "!" */
  int post_index; /* something follows the address */
  int shifted;    /* a shift or extension of a register */
  int any_vector;
  int any_quad;
};

void scan_operands(enum isa isa, const char *text, struct operands *out);

#endif
