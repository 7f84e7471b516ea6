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

enum { MAX_GUEST_THREADS = 256 };

/* The first register of each guest thread, once asked for; 0: not yet. */
extern char *guest_vector_files[MAX_GUEST_THREADS];

char *guest_vectors_now(unsigned vcpu);

/* The first register of a guest thread, which has to be the one that calls. */
static inline char *guest_vectors(unsigned vcpu) {
  char *known = vcpu < MAX_GUEST_THREADS ? guest_vector_files[vcpu] : 0;
  return known ? known : guest_vectors_now(vcpu);
}

/* A thread begins. */
void guest_vectors_forget(unsigned vcpu);

#endif
