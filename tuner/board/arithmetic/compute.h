/* What vector instructions of the guest compute, bit for bit as QEMU does it (with FPCR as Linux
 * starts a program: round to nearest, A64 without flush to zero), by the host's own arithmetic.
 * QEMU takes each lane through functions of its own, some ten times as long.  Not done: the
 * cumulative exception flags, which no kernel reads. */
#ifndef COMPUTE_H
#define COMPUTE_H

#include "operation.h"

/* One that knows where its registers lie: offsets in bytes from the start of the vector file. */
struct placed_operation {
  uint8_t kind, by_element;
  uint8_t is_last; /* of a run */
  uint16_t d, n, m;
};

/* Does `first` and those that follow up to the last one of the run. */
typedef void (*compute_function)(char *vector_file, const struct placed_operation *first);

/* The fastest way this host has. */
compute_function compute_on(int is_a32);

#endif
