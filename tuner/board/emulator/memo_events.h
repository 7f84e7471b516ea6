/* The fast path for blocks with memory events: the same events met from the same pipeline state,
 * with the bus and the miss slots taken as long, have the same outcome.  Loops that stream through a
 * cache meet few different ones. */
#ifndef MEMO_EVENTS_H
#define MEMO_EVENTS_H

#include "block.h"

/* All that decides how a block with events runs, other than its instructions. */
struct event_run {
  const struct block *block;
  uint32_t state, outcome; /* as in memo.h */
};

struct event_result {
  uint32_t next_state, cycles;
};

void memo_events_create(void);

/* Whether the run, with the present events, is known; its effects on the memory are then applied. */
int memo_events_find(const struct event_run *run, struct event_result *result);

/* After memo_events_find did not find it, and the block was run from clock `start`. */
void memo_events_keep(const struct event_result *result, int64_t start);

/* All states lost their numbers. */
void memo_events_forget(void);

#endif
