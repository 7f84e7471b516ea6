/* An in-order core: instructions issue in program order, up to issue_width in a cycle; a missing
 * load stalls the first instruction that uses its result. */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "pipeline.h"

struct inorder {
  int64_t clock; /* of the current issue group */
  int64_t ready[REGISTER_TIMES];
  uint64_t busy;    /* byte i: for how many more cycles pipe i takes nothing, at most 60 */
  int issued;       /* in this cycle */
  int to_vector;    /* in this cycle */
  uint32_t fma_history; /* bit i: an FMA issued i cycles ago */
};

/* All pipes at once, a byte each. */
static const uint64_t every_byte = 0x0101010101010101, high_bits = 0x8080808080808080;

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

/* Bytes below 128 less so much, but not less than 0. */
static uint64_t less(uint64_t bytes, int64_t cycles) {
  if (cycles > 127) return 0;
  uint64_t difference = (bytes | high_bits) - every_byte * (uint64_t)cycles;
  uint64_t positive = difference & high_bits;
  return difference & (positive - (positive >> 7));
}

static void advance_to(int64_t t) {
  int64_t cycles = t - core->clock;
  if (cycles <= 0) return;
  core->clock = t;
  core->busy = less(core->busy, cycles);
  core->issued = core->to_vector = 0;
  core->fma_history = cycles >= 32 ? 0 : core->fma_history << cycles;
}

static int64_t operands_ready(const struct timed_instruction *in) {
  int64_t t = core->clock;
  for (int i = 0; i < in->source_count; i++)
    if (core->ready[in->registers[i]] > t) t = core->ready[in->registers[i]];
  return t;
}

/* From one bit a pipe to the high bit of each pipe's byte. */
static uint64_t high_bits_of(unsigned pipes) {
  uint64_t one_in_each = (every_byte * pipes) & 0x8040201008040201;
  return (one_in_each + (high_bits - every_byte)) & high_bits;
}

/* Picks the first free pipe for each micro-operation: *taken is what to add to busy.  Returns 0 if
 * one has none in this cycle. */
static int find_pipes(const struct timed_instruction *in, uint64_t *taken) {
  uint64_t idle = ~((core->busy | high_bits) - every_byte) & high_bits;
  *taken = 0;
  for (int u = 0; u < in->uop_count; u++) {
    uint64_t fitting = idle & high_bits_of(in->uops[u].pipes);
    if (!fitting) return 0;
    uint64_t first = fitting & -fitting;
    idle &= ~first;
    *taken += (first >> 7) * in->uops[u].cycles;
  }
  return 1;
}

static int may_issue(const struct timed_instruction *in, uint64_t *taken) {
  if (core->issued >= parameters.issue_width) return 0;
  if (in->issues_alone && core->issued) return 0;
  if (in->class == CLASS_TO_VECTOR && core->to_vector >= parameters.to_vector_per_cycle) return 0;
  if (parameters.fma_load_gap && in->is_vector_load &&
      core->fma_history >> parameters.fma_load_gap & 1)
    return 0;
  return find_pipes(in, taken);
}

static void issue(const struct timed_instruction *in, uint64_t taken) {
  core->issued++;
  if (in->class == CLASS_TO_VECTOR) core->to_vector++;
  if (in->class == CLASS_FMA) core->fma_history |= 1;
  core->busy += taken;
}

static void run(const struct block *block) {
  int event = 0;
  advance_to(core->clock + memory_fetch_delay(&event));
  for (int i = 0; i < block->count; i++) {
    const struct timed_instruction *in = &block->instructions[i];
    uint64_t taken;
    advance_to(operands_ready(in));
    while (!may_issue(in, &taken)) advance_to(core->clock + 1);
    issue(in, taken);

    int64_t t = core->clock, ready = t + in->latency, addend_ready = t + in->addend_latency;
    struct memory_delay delay = {0, 0};
    if (memory_has_event(event, i)) delay = memory_resolve(&event, i, t);
    if (delay.data_arrives + in->latency - 1 > ready)
      ready = addend_ready = delay.data_arrives + in->latency - 1;
    const uint8_t *destinations = in->registers + in->first_destination;
    for (int d = 0; d < in->destination_count; d++) {
      int64_t later = load_stagger(in, d);
      core->ready[destinations[d]] = ready + later;
      core->ready[ADDEND + destinations[d]] = addend_ready + later;
    }
    if (in->writeback >= 0)
      core->ready[in->writeback] = core->ready[ADDEND + in->writeback] = t + 1;
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
  for (int pipe = 0; pipe < MAX_PIPES; pipe++) {
    int64_t idle = core->clock + (int64_t)(core->busy >> 8 * pipe & 0xff);
    if (idle > t) t = idle;
  }
  return t;
}

static size_t pack(uint8_t *out) {
  size_t n = 0;
  int overflow = 0;
  for (int i = 0; i < REGISTER_TIMES; i++)
    out[n++] = pack_time(core->ready[i], core->clock, &overflow);
  memcpy(out + n, &core->busy, sizeof core->busy);
  n += sizeof core->busy;
  out[n++] = (uint8_t)core->issued;
  out[n++] = (uint8_t)core->to_vector;
  out[n++] = (uint8_t)core->fma_history; /* fma_load_gap is at most 7 */
  while (n % 8) out[n++] = 0;
  return overflow ? 0 : n;
}

static void unpack(const uint8_t *in) {
  size_t n = 0;
  for (int i = 0; i < REGISTER_TIMES; i++) core->ready[i] = core->clock + in[n++];
  memcpy(&core->busy, in + n, sizeof core->busy);
  n += sizeof core->busy;
  core->issued = in[n++];
  core->to_vector = in[n++];
  core->fma_history = in[n++];
}

const struct pipeline inorder_pipeline = {create,  select_state, reset, run,
                                          redirect, drained,      pack,  unpack};
