/* What the two kinds of core offer to the rest of the model. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include <stddef.h>
#include <stdint.h>

#include "block.h"

/* More than any packed state needs; a multiple of 8. */
enum { MAX_PACKED = 704 };

struct pipeline {
  /* One state per core; it begins with the clock. */
  void *(*create)(void);
  void (*select)(void *state);
  /* Empties the pipeline; the next instruction comes at this time. */
  void (*reset)(int64_t now);
  /* Runs a block, with the events of memory.h. */
  void (*run)(const struct block *block);
  /* After a block: how its branch went. */
  void (*redirect)(int taken, int penalty);
  /* When everything issued so far is complete. */
  int64_t (*drained)(void);
  /* The state relative to the clock as bytes; returns the length, a multiple of 8, or 0 when some
   * time lies too far ahead to fit.  What lies in the past cannot matter any more. */
  size_t (*pack)(uint8_t *out);
  void (*unpack)(const uint8_t *in);
};

extern const struct pipeline inorder_pipeline, outoforder_pipeline;

/* The clock of the selected core: when its next instruction may issue or be dispatched. */
extern int64_t *pipeline_clock;

/* One time relative to the clock into one byte; sets *overflow when it does not fit. */
static inline uint8_t pack_time(int64_t time, int64_t clock, int *overflow) {
  int64_t ahead = time - clock;
  if (ahead > 255) *overflow = 1;
  return ahead < 0 ? 0 : (uint8_t)ahead;
}

#endif
