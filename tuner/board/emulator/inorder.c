/* An in-order core: instructions issue in program order, up to issue_width in a cycle; a missing
 * load stalls the first instruction that uses its result. */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "pipeline.h"

struct inorder {
  int64_t clock; /* of the current issue group */
  int64_t ready[REGISTER_COUNT];
  int64_t addend_ready[REGISTER_COUNT]; /* the same, for an FMA's accumulator */
  int64_t pipe_free[MAX_PIPES];
  int issued;       /* in this cycle */
  int to_vector;    /* in this cycle */
  uint32_t fma_history; /* bit i: an FMA issued i cycles ago */
};

static struct inorder *core;

static void *create(void) { return calloc(1, sizeof(struct inorder)); }

static void select_state(void *state) {
  core = state;
  pipeline_clock = &core->clock;
}

static void reset(int64_t now) {
  memset(core, 0, sizeof *core);
  core->clock = now;
}

static void advance_to(int64_t t) {
  int64_t cycles = t - core->clock;
  if (cycles <= 0) return;
  core->clock = t;
  core->issued = core->to_vector = 0;
  core->fma_history = cycles >= 32 ? 0 : core->fma_history << cycles;
}

static int64_t operands_ready(const struct timed_instruction *in) {
  int64_t t = core->clock;
  for (int i = 0; i < in->source_count; i++) {
    int is_addend = in->accumulator >= 0 && i >= in->accumulator;
    const int64_t *ready = is_addend ? core->addend_ready : core->ready;
    if (ready[in->sources[i]] > t) t = ready[in->sources[i]];
  }
  return t;
}

/* Picks a free pipe for each micro-operation; returns 0 if some has none in this cycle. */
static int find_pipes(const struct timed_instruction *in, int *chosen) {
  unsigned taken = 0;
  for (int u = 0; u < in->uop_count; u++) {
    chosen[u] = -1;
    for (int pipe = 0; pipe < MAX_PIPES; pipe++) {
      unsigned bit = 1u << pipe;
      if (!(in->uops[u].pipes & bit) || taken & bit || core->pipe_free[pipe] > core->clock) continue;
      chosen[u] = pipe;
      taken |= bit;
      break;
    }
    if (chosen[u] < 0) return 0;
  }
  return 1;
}

static int may_issue(const struct timed_instruction *in, int *chosen) {
  if (core->issued >= parameters.issue_width) return 0;
  if (in->issues_alone && core->issued) return 0;
  if (in->class == CLASS_TO_VECTOR && core->to_vector >= parameters.to_vector_per_cycle) return 0;
  if (parameters.fma_load_gap && in->is_vector_load &&
      core->fma_history >> parameters.fma_load_gap & 1)
    return 0;
  return find_pipes(in, chosen);
}

static void issue(const struct timed_instruction *in, const int *chosen) {
  core->issued++;
  if (in->class == CLASS_TO_VECTOR) core->to_vector++;
  if (in->class == CLASS_FMA) core->fma_history |= 1;
  for (int u = 0; u < in->uop_count; u++)
    core->pipe_free[chosen[u]] = core->clock + in->uops[u].cycles;
}

static void run(const struct block *block) {
  int event = 0;
  advance_to(core->clock + memory_fetch_delay(&event));
  for (int i = 0; i < block->count; i++) {
    const struct timed_instruction *in = &block->instructions[i];
    int chosen[2 * MAX_UOPS];
    advance_to(operands_ready(in));
    while (!may_issue(in, chosen)) advance_to(core->clock + 1);
    issue(in, chosen);

    int64_t t = core->clock, ready = t + in->latency, addend_ready = t + in->addend_latency;
    struct memory_delay delay = memory_resolve(&event, i, t);
    if (delay.data_arrives + in->latency - 1 > ready)
      ready = addend_ready = delay.data_arrives + in->latency - 1;
    for (int d = 0; d < in->destination_count; d++) {
      int64_t later = load_stagger(in, d);
      core->ready[in->destinations[d]] = ready + later;
      core->addend_ready[in->destinations[d]] = addend_ready + later;
    }
    if (in->writeback >= 0)
      core->ready[in->writeback] = core->addend_ready[in->writeback] = t + 1;
    if (in->issues_alone) advance_to(t + in->issues_alone);
    advance_to(delay.store_accepted);
  }
}

static void redirect(int taken, int penalty) {
  /* A taken branch ends the issue group. */
  if (taken || penalty) advance_to(core->clock + (taken ? 1 : 0) + penalty);
}

static int64_t drained(void) {
  int64_t t = core->clock + (core->issued ? 1 : 0);
  for (int i = 0; i < REGISTER_COUNT; i++)
    if (core->ready[i] > t) t = core->ready[i];
  for (int pipe = 0; pipe < MAX_PIPES; pipe++)
    if (core->pipe_free[pipe] > t) t = core->pipe_free[pipe];
  return t;
}

static size_t pack(uint8_t *out) {
  size_t n = 0;
  int overflow = 0;
  for (int i = 0; i < REGISTER_COUNT; i++) {
    out[n++] = pack_time(core->ready[i], core->clock, &overflow);
    out[n++] = pack_time(core->addend_ready[i], core->clock, &overflow);
  }
  for (int pipe = 0; pipe < MAX_PIPES; pipe++)
    out[n++] = pack_time(core->pipe_free[pipe], core->clock, &overflow);
  out[n++] = (uint8_t)core->issued;
  out[n++] = (uint8_t)core->to_vector;
  out[n++] = (uint8_t)core->fma_history; /* fma_load_gap is at most 7 */
  while (n % 8) out[n++] = 0;
  return overflow ? 0 : n;
}

static void unpack(const uint8_t *in) {
  size_t n = 0;
  for (int i = 0; i < REGISTER_COUNT; i++) {
    core->ready[i] = core->clock + in[n++];
    core->addend_ready[i] = core->clock + in[n++];
  }
  for (int pipe = 0; pipe < MAX_PIPES; pipe++) core->pipe_free[pipe] = core->clock + in[n++];
  core->issued = in[n++];
  core->to_vector = in[n++];
  core->fma_history = in[n++];
}

const struct pipeline inorder_pipeline = {create,  select_state, reset, run,
                                          redirect, drained,      pack,  unpack};
