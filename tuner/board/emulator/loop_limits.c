#include "loop_limits.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "pipeline.h"

/* Enough for a steady state, and long blocks do not take for ever. */
enum { INSTRUCTIONS_TO_RUN = 8192, MIN_RUNS = 16, MAX_RUNS = 512 };

static const struct pipeline *pipeline;
static void *state; /* of its own, while limits_of runs: a core's must not change */

static int is_memory(int class) {
  return (class >= CLASS_LOAD && class <= CLASS_VSTORE) || class == CLASS_PREFETCH;
}

static int is_arithmetic(int class) { return class >= CLASS_FMA && class <= CLASS_CONVERT; }

static unsigned cycles_of(const struct block *block) {
  int runs = INSTRUCTIONS_TO_RUN / block->count;
  if (runs < MIN_RUNS) runs = MIN_RUNS;
  if (runs > MAX_RUNS) runs = MAX_RUNS;
  pipeline->select(state);
  pipeline->reset(0);
  memory_event_count = 0;
  int64_t start = 0;
  for (int i = 0; i < 2 * runs; i++) {
    if (i == runs) start = *pipeline_clock;
    pipeline->run(block);
    if (block->has_branch) pipeline->redirect(1, 0);
  }
  return (unsigned)((*pipeline_clock - start) * 100 / runs);
}

/* The same with every operand ready and the pipes of some classes only. */
static unsigned cycles_with(const struct block *block, int (*keeps_pipes)(int class)) {
  size_t size = (size_t)block->count * sizeof *block->instructions;
  struct block changed = *block;
  changed.instructions = new_instructions(block->count);
  memcpy(changed.instructions, block->instructions, size);
  for (int i = 0; i < block->count; i++) {
    struct timed_instruction *in = &changed.instructions[i];
    in->source_count = 0;
    if (keeps_pipes && !keeps_pipes(in->class)) in->uop_count = in->issues_alone = 0;
  }
  unsigned cycles = cycles_of(&changed);
  free(changed.instructions);
  return cycles;
}

static int is_none(int class) { return (void)class, 0; }

struct limits limits_of(const struct block *block) {
  pipeline = parameters.out_of_order ? &outoforder_pipeline : &inorder_pipeline;
  state = pipeline->create();
  struct limits limits = {.steady = cycles_of(block),
                          .resources = cycles_with(block, 0),
                          .issue = cycles_with(block, is_none),
                          .arithmetic = cycles_with(block, is_arithmetic),
                          .memory = cycles_with(block, is_memory)};
  free(state);
  return limits;
}
