/* What an address in the middle of a block will be, in terms of the registers at its start.
 *
 * QEMU calls back for loads and stores, not for prefetch instructions: their addresses have to be
 * worked out.  Loops advance their pointers by constants, by post-indexed loads or by adding one
 * register to another; following just these finds nearly all of them.  The others stay unknown. */
#ifndef ADDRESSES_H
#define ADDRESSES_H

#include <stdint.h>

#include "decode.h"

enum { NO_REGISTER = -1, GENERAL_REGISTERS = 32 };

/* start value of base + (start value of index << shift) + offset */
struct address {
  int8_t base;  /* NO_REGISTER: not known */
  int8_t index; /* NO_REGISTER: none */
  uint8_t shift;
  int64_t offset;
};

struct tracked_registers {
  struct address of[GENERAL_REGISTERS];
};

void addresses_begin(struct tracked_registers *registers);

/* The address between the brackets of this instruction; base NO_REGISTER when not known. */
struct address addresses_operand(enum isa isa, const struct tracked_registers *registers,
                                 const char *text);

/* An address in terms of registers that are tracked from an earlier start: in terms of that. */
struct address addresses_from_before(const struct tracked_registers *before,
                                     struct address address);

/* After the instruction. */
void addresses_step(enum isa isa, struct tracked_registers *registers, const char *text,
                    const struct instruction *decoded);

#endif
