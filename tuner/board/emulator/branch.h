/* Branch prediction: per branch, the last eight outcomes select a two-bit counter. */
#ifndef BRANCH_H
#define BRANCH_H

#include "block.h"

/* Forgets every branch; costs nothing until a branch is met again. */
void branch_reset(void);

/* Records the outcome of the block's conditional branch; returns whether it was mispredicted.
 * Targets of indirect branches and returns are taken as always predicted. */
int branch_outcome(struct block *block, int taken);

#endif
