/* Machine code in which instructions that the host computes (operation.h) gave way to one that does
 * nothing, which costs QEMU nothing either. */
#ifndef REPLACED_H
#define REPLACED_H

#include <stddef.h>
#include <stdint.h>

#include "operation.h"

/* A library was loaded at this guest address: what was there before is gone. */
void replaced_forget(uint64_t address, uint64_t length);

/* Replaces in the guest's code, of `length` bytes at `address`, which QEMU did not translate yet;
 * the host finds it at `memory`. */
void replaced_code(enum isa isa, uint64_t address, void *memory, uint64_t length);

/* What the instruction at an address was before; 0: it is as it was. */
int replaced_operation(enum isa isa, uint64_t address, const void *bytes, size_t size,
                       struct operation *out, uint32_t *encoding);

#endif
