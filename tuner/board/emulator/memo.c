#include "memo.h"

#include <stdlib.h>
#include <string.h>

#include "memo_events.h"
#include "memory.h"

enum { MAX_STATES = 1 << 14, HASH_SLOTS = 4 * MAX_STATES };

static const struct pipeline *pipeline;
static int enabled;
static uint8_t (*states)[MAX_PACKED]; /* number 0 means "not numbered" */
static size_t *lengths;
static uint32_t *hash_table;
static uint32_t state_count, generation = 1;
static uint32_t current_state; /* 0: the pipeline's own state is the valid one */

void memo_create(const struct pipeline *used_pipeline, int use_memo) {
  pipeline = used_pipeline;
  enabled = use_memo;
  states = calloc(MAX_STATES, sizeof *states);
  lengths = calloc(MAX_STATES, sizeof *lengths);
  hash_table = calloc(HASH_SLOTS, sizeof *hash_table);
  memo_events_create();
}

static uint32_t hash_of(const uint8_t *bytes, size_t length) {
  uint64_t hash = 1469598103934665603ull, word;
  for (size_t i = 0; i < length; i += sizeof word) {
    memcpy(&word, bytes + i, sizeof word);
    hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
    hash ^= hash >> 29;
  }
  return (uint32_t)hash;
}

static void forget_all(void) {
  memset(hash_table, 0, HASH_SLOTS * sizeof *hash_table);
  memo_events_forget();
  state_count = 0;
  generation++;
}

/* The number of the pipeline's present state, or 0 if it cannot be packed. */
static uint32_t number_state(void) {
  uint8_t packed[MAX_PACKED];
  size_t length = pipeline->pack(packed);
  if (!length) return 0;
  uint32_t slot = hash_of(packed, length) % HASH_SLOTS;
  for (; hash_table[slot]; slot = (slot + 1) % HASH_SLOTS) {
    uint32_t number = hash_table[slot];
    if (lengths[number] == length && !memcmp(states[number], packed, length)) return number;
  }
  if (state_count == MAX_STATES - 1) {
    forget_all();
    slot = hash_of(packed, length) % HASH_SLOTS;
  }
  uint32_t number = ++state_count;
  memcpy(states[number], packed, length);
  lengths[number] = length;
  hash_table[slot] = number;
  return number;
}

void memo_sync(void) {
  if (current_state) pipeline->unpack(states[current_state]);
  current_state = 0;
}

static void run_in_full(struct block *block, int taken, int penalty) {
  pipeline->run(block);
  if (block->has_branch) pipeline->redirect(taken, penalty);
}

/* Where the block keeps this state's result; another state's may be there. */
static struct memo_entry *entry_of(struct block *block, uint32_t state, uint32_t outcome) {
  if (!block->memo) block->memo = calloc((size_t)1 << MEMO_ENTRY_BITS, sizeof *block->memo);
  return &block->memo[(state * 4 + outcome) * 2654435769u >> (32 - MEMO_ENTRY_BITS)];
}

/* Returns whether the outcome of running the block from this state is known; it happened then. */
static int run_known(struct block *block, uint32_t state, uint32_t outcome) {
  if (memory_event_count) {
    struct event_run run = {.block = block, .state = state, .outcome = outcome};
    struct event_result result;
    if (!memo_events_find(&run, &result)) return 0;
    *pipeline_clock += result.cycles;
    current_state = result.next_state;
    return 1;
  }
  const struct memo_entry *entry = entry_of(block, state, outcome);
  if (entry->generation != generation || entry->state != state || entry->outcome != outcome)
    return 0;
  *pipeline_clock += entry->cycles;
  current_state = entry->next_state;
  return 1;
}

static void keep(struct block *block, uint32_t state, uint32_t outcome, int64_t start) {
  uint32_t cycles = (uint32_t)(*pipeline_clock - start);
  if (memory_event_count) {
    struct event_result result = {.next_state = current_state, .cycles = cycles};
    memo_events_keep(&result, start);
    return;
  }
  *entry_of(block, state, outcome) = (struct memo_entry){.generation = generation,
                                                         .state = state,
                                                         .next_state = current_state,
                                                         .outcome = outcome,
                                                         .cycles = cycles};
}

void memo_run(struct block *block, int taken, int penalty) {
  uint32_t state = !enabled ? 0 : current_state ? current_state : number_state();
  uint32_t outcome = (uint32_t)taken | (penalty ? 2u : 0u);
  if (state && run_known(block, state, outcome)) return;
  int64_t start = *pipeline_clock;
  if (state) current_state = state;
  memo_sync();
  run_in_full(block, taken, penalty);
  if (!state) return;
  uint32_t state_generation = generation;
  current_state = number_state();
  /* Numbering may have started a new generation, in which "state" means nothing. */
  if (current_state && generation == state_generation) keep(block, state, outcome, start);
}
