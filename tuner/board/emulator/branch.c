#include "branch.h"

#include <string.h>

enum { STRONGLY_NOT_TAKEN = 0, WEAKLY_TAKEN = 2, STRONGLY_TAKEN = 3 };

static uint32_t epoch = 1;

void branch_reset(void) { epoch++; }

int branch_outcome(struct block *block, int taken) {
  if (block->branch_epoch != epoch) {
    block->branch_epoch = epoch;
    block->history = 0;
    memset(block->counters, WEAKLY_TAKEN, sizeof block->counters);
  }
  uint8_t *counter = &block->counters[block->history];
  int predicted = *counter >= WEAKLY_TAKEN;
  if (taken && *counter < STRONGLY_TAKEN) ++*counter;
  if (!taken && *counter > STRONGLY_NOT_TAKEN) --*counter;
  block->history = (uint8_t)(block->history << 1 | taken);
  return predicted != taken;
}
