/* One lane of an operation with the results that host and guest may not have in common: NaNs, and
 * numbers below the smallest normal one. */
#ifndef EXACT_H
#define EXACT_H

#include "operation.h"

/* Operands and result are the bits of 32-bit floats. */
uint32_t exact_lane(enum operation_kind kind, int is_a32, uint32_t d, uint32_t n, uint32_t m);

#endif
