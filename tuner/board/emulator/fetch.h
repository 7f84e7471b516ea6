/* The instruction cache, as a check of capacity: code that ran in this region and was pushed out
 * since has to come from L2 again.  The first run of a block is free, as on a board where
 * measurements are repeated. */
#ifndef FETCH_H
#define FETCH_H

#include "block.h"

void fetch_create(void);
void fetch_reset(void);
void fetch_select_core(int core);

/* Cycles the front end waits before this block can start. */
int fetch_cycles(struct block *block);

#endif
