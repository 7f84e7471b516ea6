/* What a block could do at best: the why of its cycles. */
#ifndef LOOP_LIMITS_H
#define LOOP_LIMITS_H

#include "block.h"

/* Cycles of one execution in a long run of them, in hundredths. */
struct limits {
  unsigned steady;     /* every access hits in L1, every branch is foreseen */
  unsigned resources;  /* and every operand is ready: issue rules and pipes only */
  unsigned issue;      /* and no pipe is ever busy: issue or dispatch width only */
  unsigned arithmetic; /* as resources, with the pipes of vector arithmetic alone */
  unsigned memory;     /* as resources, with the pipes of loads and stores alone */
};

/* Leaves no core selected. */
struct limits limits_of(const struct block *block);

#endif
