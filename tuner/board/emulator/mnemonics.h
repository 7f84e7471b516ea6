/* What each instruction name means to the timing model. */
#ifndef MNEMONICS_H
#define MNEMONICS_H

#include "decode.h"

enum mnemonic_flag {
  SETS_FLAGS = 1 << 0,
  READS_FLAGS = 1 << 1,
  NO_RESULT = 1 << 2,        /* all operands are read: compares, branches, stores */
  READS_RESULT = 1 << 3,     /* the destination is read too: movk, bfi, mla */
  TWO_RESULTS = 1 << 4,      /* A32 umull and its kind */
  ADDEND_IS_RESULT = 1 << 5, /* fmla: the accumulator is forwarded late */
  ADDEND_IS_LAST = 1 << 6,   /* fmadd: the same for the last operand */
  ONE_OPERAND = 1 << 7,      /* "mov r0, r1" does not read r0; "add r0, r1" does */
  PAIR = 1 << 8,             /* two data registers */
  STATUS_RESULT = 1 << 9,    /* stxr: the first operand is a result, the rest is stored */
  ALL_LANES = 1 << 10,       /* ld1r */
  LINK = 1 << 11,            /* writes the link register */
  CONDITIONAL = 1 << 12,     /* a branch that may fall through */
  STACK = 1 << 13            /* push, pop: the base is the stack pointer, written back */
};

struct mnemonic {
  const char *name;
  uint8_t plain;  /* class with general registers; A32 vector names: for integer types */
  uint8_t vector; /* class with vector registers; A32 vector names: for .f16 .f32 .f64 */
  uint16_t flags;
};

/* Looks a name up as the disassembler prints it: finds it with A32's condition and "s" suffixes,
 * data types and width suffixes removed.  Returns 0 for an unknown name. */
int find_mnemonic(enum isa isa, const char *printed, struct mnemonic *found, int *conditional);

#endif
