/* The fast path: a block that ran before from the same pipeline state takes the same time.
 *
 * Pipeline states, relative to the clock, are numbered; a block remembers for a state and an
 * outcome of its branch how many cycles it took and which state it left.  For blocks with memory
 * events see memo_events.h.  Results with and without the memo are identical. */
#ifndef MEMO_H
#define MEMO_H

#include "block.h"
#include "pipeline.h"

void memo_create(const struct pipeline *pipeline, int enabled);

/* Runs the block (events in memory.h) and its branch; advances the clock. */
void memo_run(struct block *block, int taken, int penalty);

/* Makes the pipeline's own state valid: needed before anything but memo_run touches it. */
void memo_sync(void);

#endif
