#include "memo_events.h"

#include <stdlib.h>
#include <string.h>

#include "counters.h"
#include "memory.h"
#include "pipeline.h"

enum {
  MAX_KEY = 256, /* words */
  ENTRIES = 1 << 14,
  SLOTS = 4 * ENTRIES,
  MAX_WORDS = 24 * ENTRIES /* of all keys */
};

struct entry {
  const struct block *block;
  uint32_t outcome, key_length;
  const uint32_t *key;
  struct event_result result;
  uint64_t dram_lines;         /* that the bus moved */
  struct memory_queues queues; /* afterwards, relative to the block's start */
};

static struct entry *entries;
static uint32_t *slots; /* hash table of entry numbers; 0: none */
static uint32_t *words;
static uint32_t entry_count, word_count;

/* The run that was not found last. */
static struct entry candidate;
static uint32_t key[MAX_KEY], slot;
static int uses_queues;
static uint64_t lines_before;

void memo_events_create(void) {
  entries = calloc(ENTRIES, sizeof *entries);
  slots = calloc(SLOTS, sizeof *slots);
  words = calloc(MAX_WORDS, sizeof *words);
}

void memo_events_forget(void) {
  memset(slots, 0, SLOTS * sizeof *slots);
  entry_count = word_count = 0;
}

static int64_t ahead_of(int64_t time, int64_t clock) { return time > clock ? time - clock : 0; }

/* Sorted, as it does not matter which slot is free when. */
static void slots_from(int64_t clock, int64_t sorted[MAX_MSHRS]) {
  for (int i = 0; i < parameters.mshrs; i++) {
    int64_t ahead = ahead_of(memory_queues.miss_slots[i], clock);
    int at = i;
    for (; at > 0 && sorted[at - 1] > ahead; at--) sorted[at] = sorted[at - 1];
    sorted[at] = ahead;
  }
}

/* What the events and, if one of them can wait for these, the bus and the miss slots are to a block
 * that begins now; returns the number of words, 0 if there is no room. */
static uint32_t make_key(const struct event_run *run) {
  int64_t clock = *pipeline_clock, all = 0;
  uint32_t n = 0;
  if (2 * memory_event_count + MAX_MSHRS + 2 > MAX_KEY) return 0;
  key[n++] = run->state;
  uses_queues = 0;
  for (int i = 0; i < memory_event_count; i++) {
    const struct event *event = &memory_events[i];
    int is_time = event->kind == EVENT_READY_AT;
    int64_t value = is_time ? ahead_of(event->ready, clock) : event->ready;
    uses_queues |= !is_time && event->kind != EVENT_FETCH && event->kind != EVENT_DELAY;
    key[n++] = (uint32_t)event->instruction << 3 | (uint32_t)event->kind;
    key[n++] = (uint32_t)value;
    all |= value;
  }
  if (uses_queues) {
    int64_t sorted[MAX_MSHRS], bus = ahead_of(memory_queues.bus_free, clock);
    slots_from(clock, sorted);
    for (int i = 0; i < parameters.mshrs; i++) {
      key[n++] = (uint32_t)sorted[i];
      all |= sorted[i];
    }
    key[n++] = (uint32_t)bus;
    all |= bus;
  }
  return all >> 32 ? 0 : n;
}

static uint32_t hash_of(const struct event_run *run, uint32_t length) {
  uint64_t hash = (uint64_t)(uintptr_t)run->block * 4 + run->outcome;
  for (uint32_t i = 0; i < length; i++) {
    hash = (hash ^ key[i]) * 0x9E3779B97F4A7C15ull;
    hash ^= hash >> 29;
  }
  return (uint32_t)hash % SLOTS;
}

static int is_same(const struct entry *entry, const struct event_run *run, uint32_t length) {
  return entry->block == run->block && entry->outcome == run->outcome &&
         entry->key_length == length && !memcmp(entry->key, key, length * sizeof *key);
}

static void apply(const struct entry *entry) {
  counters.dram_lines += entry->dram_lines;
  if (!uses_queues) return;
  int64_t clock = *pipeline_clock;
  for (int i = 0; i < parameters.mshrs; i++)
    memory_queues.miss_slots[i] = clock + entry->queues.miss_slots[i];
  memory_queues.bus_free = clock + entry->queues.bus_free;
}

int memo_events_find(const struct event_run *run, struct event_result *result) {
  uint32_t length = make_key(run);
  candidate.key_length = length;
  if (!length) return 0;
  slot = hash_of(run, length);
  for (; slots[slot]; slot = (slot + 1) % SLOTS) {
    const struct entry *entry = &entries[slots[slot]];
    if (!is_same(entry, run, length)) continue;
    apply(entry);
    *result = entry->result;
    return 1;
  }
  candidate.block = run->block;
  candidate.outcome = run->outcome;
  lines_before = counters.dram_lines;
  return 0;
}

void memo_events_keep(const struct event_result *result, int64_t start) {
  uint32_t length = candidate.key_length;
  if (!length) return;
  if (entry_count == ENTRIES - 1 || word_count + length > MAX_WORDS) {
    memo_events_forget();
    return;
  }
  candidate.key = memcpy(&words[word_count], key, length * sizeof *key);
  candidate.result = *result;
  candidate.dram_lines = counters.dram_lines - lines_before;
  slots_from(start, candidate.queues.miss_slots);
  candidate.queues.bus_free = ahead_of(memory_queues.bus_free, start);
  word_count += length;
  slots[slot] = ++entry_count;
  entries[entry_count] = candidate;
}
