/* An out-of-order core: instructions are dispatched in program order into queues, their
 * micro-operations take the first free cycle of a fitting pipe once the operands are ready, and
 * they retire in order from a reorder buffer of limited size.
 *
 * Issue is by reservation: each micro-operation books its pipe when it is dispatched.  An older
 * one therefore never loses a slot to a younger one, and younger ready ones fill the holes. */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "pipeline.h"

enum { BUSY_CYCLES = 64 };

struct outoforder {
  int64_t clock; /* of the current dispatch group */
  int64_t ready[REGISTER_TIMES];
  int dispatched, dispatched_uops;      /* in this cycle */
  int64_t retire[MAX_ROB];              /* ring: when each of the last instructions retires */
  int64_t last_retire;
  int retired_together;                 /* at last_retire */
  unsigned rob_next;
  uint64_t busy[MAX_PIPES];             /* bit i: the pipe is booked at busy_base + i */
  int64_t busy_base;
  int64_t issued[MAX_QUEUES][MAX_QUEUE]; /* ring: when the last micro-operations left the queue */
  unsigned queue_next[MAX_QUEUES];
  int64_t branch_resolved; /* between a block and its redirect only */
};

static struct outoforder *core;

static void *create(void) { return calloc(1, sizeof(struct outoforder)); }

static void select_state(void *state) {
  core = state;
  pipeline_clock = &core->clock;
}

static void reset(int64_t now) {
  memset(core, 0, sizeof *core);
  core->clock = core->busy_base = core->last_retire = now;
}

static void next_group(int64_t t) {
  core->clock = t;
  core->dispatched = core->dispatched_uops = 0;
}

static void move_busy_base(int64_t t) {
  int64_t cycles = t - core->busy_base;
  if (cycles <= 0) return;
  for (int pipe = 0; pipe < MAX_PIPES; pipe++)
    core->busy[pipe] = cycles >= BUSY_CYCLES ? 0 : core->busy[pipe] >> cycles;
  core->busy_base = t;
}

static int queue_of(unsigned pipes) { return parameters.pipe_queue[__builtin_ctz(pipes)]; }

/* Dispatch: limited by width, reorder buffer and queue space. */
static void dispatch(const struct timed_instruction *in) {
  int64_t oldest = core->retire[core->rob_next];
  if (oldest > core->clock) next_group(oldest);
  int uops = core->dispatched_uops + in->uop_count;
  if (core->dispatched >= parameters.issue_width ||
      (core->dispatched && uops > parameters.uop_width))
    next_group(core->clock + 1);
  for (int u = 0; u < in->uop_count; u++) {
    int queue = queue_of(in->uops[u].pipes);
    int64_t space = core->issued[queue][core->queue_next[queue]];
    if (space > core->clock) next_group(space);
  }
  core->dispatched++;
  core->dispatched_uops += in->uop_count;
  move_busy_base(core->clock);
}

static int64_t operands_ready(const struct timed_instruction *in) {
  int64_t t = core->clock + 1;
  for (int i = 0; i < in->source_count; i++)
    if (core->ready[in->registers[i]] > t) t = core->ready[in->registers[i]];
  return t;
}

/* The first time from t on at which the pipe is free for so many cycles. */
static int64_t first_free(int pipe, int64_t t, int cycles) {
  int64_t offset = t - core->busy_base;
  if (offset >= BUSY_CYCLES - 4) return t;
  uint64_t free_cycles = ~(core->busy[pipe] >> offset);
  uint64_t starts = free_cycles;
  for (int i = 1; i < cycles; i++) starts &= free_cycles >> i;
  if (offset) starts &= ~0ull >> offset;
  return starts ? t + __builtin_ctzll(starts) : core->busy_base + BUSY_CYCLES;
}

static int64_t book(const struct uop *uop, int64_t t) {
  int64_t best = -1;
  int best_pipe = 0, queue = queue_of(uop->pipes);
  for (int pipe = 0; pipe < MAX_PIPES; pipe++) {
    if (!(uop->pipes >> pipe & 1)) continue;
    int64_t start = first_free(pipe, t, uop->cycles);
    if (best >= 0 && start >= best) continue;
    best = start;
    best_pipe = pipe;
  }
  int64_t offset = best - core->busy_base;
  if (offset < BUSY_CYCLES) core->busy[best_pipe] |= ((1ull << uop->cycles) - 1) << offset;
  core->issued[queue][core->queue_next[queue]] = best;
  core->queue_next[queue] = (core->queue_next[queue] + 1) % (unsigned)parameters.queue;
  return best;
}

static void retire(int64_t t) {
  if (t < core->last_retire) t = core->last_retire;
  /* As many retire in a cycle as are dispatched, and one more. */
  if (t > core->last_retire) {
    core->retired_together = 0;
  } else if (++core->retired_together > parameters.issue_width) {
    t++;
    core->retired_together = 0;
  }
  core->last_retire = t;
  core->retire[core->rob_next] = t;
  core->rob_next = (core->rob_next + 1) % (unsigned)parameters.rob;
}

static void run(const struct block *block) {
  int event = 0, fetch_delay = memory_fetch_delay(&event);
  if (fetch_delay) next_group(core->clock + fetch_delay);
  for (int i = 0; i < block->count; i++) {
    const struct timed_instruction *in = &block->instructions[i];
    dispatch(in);
    int64_t t = operands_ready(in), issue = in->uop_count ? 0 : core->clock;
    for (int u = 0; u < in->uop_count; u++) {
      int64_t start = book(&in->uops[u], t);
      if (start > issue) issue = start;
    }
    int64_t ready = issue + in->latency, addend_ready = issue + in->addend_latency;
    int64_t completes = in->is_store ? issue + 1 : ready;
    struct memory_delay delay = {0, 0};
    if (memory_has_event(event, i)) delay = memory_resolve(&event, i, issue);
    if (delay.data_arrives + in->latency - 1 > ready)
      ready = addend_ready = completes = delay.data_arrives + in->latency - 1;
    if (delay.store_accepted > completes) completes = delay.store_accepted;
    const uint8_t *destinations = in->registers + in->first_destination;
    for (int d = 0; d < in->destination_count; d++) {
      int64_t later = load_stagger(in, d);
      core->ready[destinations[d]] = ready + later;
      core->ready[ADDEND + destinations[d]] = addend_ready + later;
    }
    if (in->writeback >= 0)
      core->ready[in->writeback] = core->ready[ADDEND + in->writeback] = issue + 1;
    retire(completes);
    core->branch_resolved = completes;
  }
}

static void redirect(int taken, int penalty) {
  if (penalty) {
    int64_t resolved = core->branch_resolved > core->clock ? core->branch_resolved : core->clock;
    next_group(resolved + penalty);
  } else if (taken) {
    core->dispatched = parameters.issue_width;
  }
}

static int64_t drained(void) {
  int64_t t = core->clock > core->last_retire ? core->clock : core->last_retire;
  for (int i = 0; i < REGISTER_COUNT; i++)
    if (core->ready[i] > t) t = core->ready[i];
  return t;
}

static size_t pack(uint8_t *out) {
  size_t n = 0;
  int overflow = 0;
  int64_t clock = core->clock;
  move_busy_base(clock);
  for (int i = 0; i < REGISTER_TIMES; i++)
    out[n++] = pack_time(core->ready[i], clock, &overflow);
  /* Rings are written oldest first, so that their position does not tell states apart. */
  for (int i = 0; i < parameters.rob; i++) {
    unsigned at = (core->rob_next + (unsigned)i) % (unsigned)parameters.rob;
    out[n++] = pack_time(core->retire[at], clock, &overflow);
  }
  for (int queue = 0; queue < MAX_QUEUES; queue++)
    for (int i = 0; i < parameters.queue; i++) {
      unsigned at = (core->queue_next[queue] + (unsigned)i) % (unsigned)parameters.queue;
      out[n++] = pack_time(core->issued[queue][at], clock, &overflow);
    }
  out[n++] = (uint8_t)core->dispatched;
  out[n++] = (uint8_t)core->dispatched_uops;
  /* Retirement in the past limits nothing any more. */
  out[n++] = (uint8_t)(core->last_retire > clock ? core->retired_together : 0);
  out[n++] = pack_time(core->last_retire, clock, &overflow);
  while (n % 8) out[n++] = 0;
  memcpy(out + n, core->busy, sizeof core->busy);
  n += sizeof core->busy;
  return overflow || core->busy_base != clock ? 0 : n;
}

static void unpack(const uint8_t *in) {
  size_t n = 0;
  int64_t clock = core->clock;
  for (int i = 0; i < REGISTER_TIMES; i++) core->ready[i] = clock + in[n++];
  for (int i = 0; i < parameters.rob; i++) core->retire[i] = clock + in[n++];
  core->rob_next = 0;
  for (int queue = 0; queue < MAX_QUEUES; queue++) {
    for (int i = 0; i < parameters.queue; i++) core->issued[queue][i] = clock + in[n++];
    core->queue_next[queue] = 0;
  }
  core->dispatched = in[n++];
  core->dispatched_uops = in[n++];
  core->retired_together = in[n++];
  core->last_retire = clock + in[n++];
  while (n % 8) n++;
  memcpy(core->busy, in + n, sizeof core->busy);
  core->busy_base = clock;
}

const struct pipeline outoforder_pipeline = {create,  select_state, reset, run,
                                             redirect, drained,      pack,  unpack};
