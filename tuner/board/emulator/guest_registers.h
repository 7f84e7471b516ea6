/* The guest's general registers, which QEMU's plugin interface of that age does not offer.
 *
 * They lie in QEMU's CPU structure; where, is found at run time: a guest call shows the values of
 * seven registers, and the structure is searched for them.  Where that fails (another QEMU),
 * guest_registers_known stays 0 and what needs them is left out. */
#ifndef GUEST_REGISTERS_H
#define GUEST_REGISTERS_H

#include <stddef.h>
#include <stdint.h>

#include "decode.h"

extern int guest_registers_known;

/* QEMU's CPU structure of the calling thread, and its size in bytes; 0: not known. */
char *guest_cpu(size_t *size);

/* Call it at a guest call: its number and first six arguments. */
void guest_registers_find(enum isa isa, int64_t number, const uint64_t arguments[6]);

/* Value at the start of the running block; A64: 31 is sp. */
uint64_t guest_register(int number);

#endif
