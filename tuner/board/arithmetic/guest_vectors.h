/* The guest's vector registers in QEMU's CPU structure, found as the general ones are
 * (guest_registers.h): a guest call shows what two of them hold. */
#ifndef GUEST_VECTORS_H
#define GUEST_VECTORS_H

#include <stdint.h>

enum { VECTOR_BYTES = 16 };

/* Bytes from one 128-bit register to the next; 0: not found. */
extern int guest_vector_stride;

/* Call it at a guest call: what the first two registers hold. */
void guest_vectors_find(const uint8_t shown[2 * VECTOR_BYTES]);

/* The first register of a guest thread, which has to be the one that calls. */
char *guest_vectors(unsigned vcpu);

/* A thread begins. */
void guest_vectors_forget(unsigned vcpu);

#endif
