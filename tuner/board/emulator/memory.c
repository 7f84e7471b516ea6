#include "memory.h"

#include <stdlib.h>
#include <string.h>

#include "counters.h"
#include "l2.h"
#include "pipeline.h"
#include "prefetch.h"

struct line_state {
  uint64_t tag[MAX_L1_WAYS]; /* most recently used first */
  int64_t ready[MAX_L1_WAYS]; /* arrival time of a line still on its way; 0: here */
  uint8_t dirty[MAX_L1_WAYS];
};

/* Consecutive lines missed by stores: after enough of them a core stops fetching what it will
 * overwrite anyway. */
struct store_stream {
  uint64_t last;
  int length;
};

struct event memory_events[MAX_EVENTS];
int memory_event_count;
struct memory_queues memory_queues;
uint64_t memory_l1_mask;
struct quick_line *memory_quick;

static struct line_state *l1[MAX_CORES];
static struct quick_line *quick_lines[MAX_CORES];
static struct store_stream store_streams[MAX_CORES];
static int current_core;

void memory_create(void) {
  uint64_t l1_sets = (uint64_t)(parameters.l1d_bytes / LINE_BYTES / parameters.l1d_ways);
  memory_l1_mask = l1_sets - 1;
  for (int core = 0; core < parameters.cores; core++) {
    l1[core] = calloc(l1_sets, sizeof **l1);
    quick_lines[core] = calloc(l1_sets, sizeof **quick_lines);
  }
  l2_create();
  memory_flush();
}

static void renew_quick(int core, uint64_t set_number) {
  const struct line_state *set = &l1[core][set_number];
  struct quick_line *quick = &quick_lines[core][set_number];
  quick->read = set->ready[0] ? NO_LINE : set->tag[0];
  quick->write = set->dirty[0] ? quick->read : NO_LINE;
}

void memory_flush(void) {
  for (int core = 0; core < parameters.cores; core++) {
    for (uint64_t set = 0; set <= memory_l1_mask; set++) {
      memset(&l1[core][set], 0, sizeof l1[core][set]);
      for (int way = 0; way < MAX_L1_WAYS; way++) l1[core][set].tag[way] = NO_LINE;
    }
  }
  l2_flush();
  memory_settle();
}

void memory_settle(void) {
  for (int core = 0; core < parameters.cores; core++)
    for (uint64_t set = 0; set <= memory_l1_mask; set++) {
      memset(l1[core][set].ready, 0, sizeof l1[core][set].ready);
      renew_quick(core, set);
    }
  for (int core = 0; core < MAX_CORES; core++)
    store_streams[core] = (struct store_stream){.last = NO_LINE, .length = 0};
  memory_event_count = 0;
  prefetch_reset();
  tlb_reset();
  memory_select_core(0, 0);
}

void memory_select_core(int core, int64_t now) {
  current_core = core;
  memory_quick = quick_lines[core];
  memory_queues.bus_free = now;
  memset(memory_queues.miss_slots, 0, sizeof memory_queues.miss_slots);
  prefetch_select_core(core);
  tlb_select_core(core);
}

int64_t memory_take_bus(int64_t t) {
  int64_t start = memory_queues.bus_free > t ? memory_queues.bus_free : t;
  memory_queues.bus_free = start + parameters.dram_line_cycles;
  counters.dram_lines++;
  return start;
}

static void l1_move_to_front(struct line_state *set, int way) {
  uint64_t tag = set->tag[way];
  int64_t ready = set->ready[way];
  uint8_t dirty = set->dirty[way];
  for (; way > 0; way--) {
    set->tag[way] = set->tag[way - 1];
    set->ready[way] = set->ready[way - 1];
    set->dirty[way] = set->dirty[way - 1];
  }
  set->tag[0] = tag;
  set->ready[0] = ready;
  set->dirty[0] = dirty;
}

static struct line_state *l1_set(uint64_t line) {
  return &l1[current_core][line & memory_l1_mask];
}

static void l1_insert(uint64_t line, int64_t ready, int dirty, int64_t t) {
  struct line_state *set = l1_set(line);
  int victim = least_recent_way(parameters.l1d_ways, MAX_L1_WAYS);
  if (set->dirty[victim]) l2_write_back(set->tag[victim], t);
  set->tag[victim] = line;
  set->ready[victim] = ready;
  set->dirty[victim] = (uint8_t)dirty;
  l1_move_to_front(set, victim);
  renew_quick(current_core, line & memory_l1_mask);
}

static int l1_way(const struct line_state *set, uint64_t line) {
  for (int way = 0; way < parameters.l1d_ways; way++)
    if (set->tag[way] == line) return way;
  return -1;
}

/* A core that writes a line takes it away from the others. */
static void invalidate_elsewhere(uint64_t line) {
  for (int core = 0; core < parameters.cores; core++) {
    if (core == current_core) continue;
    struct line_state *set = &l1[core][line & memory_l1_mask];
    int way = l1_way(set, line);
    if (way < 0) continue;
    set->tag[way] = NO_LINE;
    set->ready[way] = 0;
    set->dirty[way] = 0;
    renew_quick(core, line & memory_l1_mask);
  }
}

int memory_prefetch(uint64_t line, int64_t t) {
  if (l1_way(l1_set(line), line) >= 0) return 0;
  counters.prefetches++;
  int64_t ready = t + parameters.l2_cycles;
  if (!l2_access(line, t)) {
    counters.l2_misses++;
    ready = memory_take_bus(t) + parameters.dram_cycles;
  }
  l1_insert(line, ready, 0, t);
  return 1;
}

static int64_t *first_free_slot(void) {
  int64_t *first = &memory_queues.miss_slots[0];
  for (int i = 1; i < parameters.mshrs; i++)
    if (memory_queues.miss_slots[i] < *first) first = &memory_queues.miss_slots[i];
  return first;
}

void memory_software_prefetch(uint64_t address, int64_t t) {
  uint64_t line = address / LINE_BYTES;
  struct line_state *set = l1_set(line);
  int64_t *slot = first_free_slot();
  if (*slot > t || l1_way(set, line) >= 0) return;
  memory_prefetch(line, t);
  *slot = set->ready[0];
}

static void add_event(int instruction, enum event_kind kind, int64_t ready) {
  if (memory_event_count == MAX_EVENTS) return;
  memory_events[memory_event_count++] =
      (struct event){.instruction = instruction, .kind = kind, .ready = ready};
}

/* Whether this store miss belongs to a run of lines that are overwritten whole. */
static int extends_store_stream(uint64_t line) {
  struct store_stream *stream = &store_streams[current_core];
  stream->length = line == stream->last + 1 ? stream->length + 1 : 0;
  stream->last = line;
  return parameters.write_stream_lines && stream->length >= parameters.write_stream_lines;
}

static void miss(uint64_t line, int instruction, int is_store) {
  int64_t t = *pipeline_clock;
  struct line_state *set = l1_set(line);
  int way = l1_way(set, line);
  if (is_store && (way < 0 || !set->dirty[way])) invalidate_elsewhere(line);
  if (way >= 0) {
    int64_t ready = set->ready[way];
    set->ready[way] = 0;
    set->dirty[way] |= (uint8_t)is_store;
    l1_move_to_front(set, way);
    renew_quick(current_core, line & memory_l1_mask);
    if (!ready || is_store) return;
    if (ready > t) add_event(instruction, EVENT_READY_AT, ready);
    prefetch_train(line, t);
    return;
  }
  counters.l1d_misses++;
  int in_l2 = l2_access(line, t);
  if (!in_l2) counters.l2_misses++;
  if (is_store) {
    int streams = extends_store_stream(line);
    l1_insert(line, 0, 1, t);
    if (!in_l2) add_event(instruction, streams ? EVENT_STORE_STREAM : EVENT_STORE, 0);
    return;
  }
  l1_insert(line, t + (in_l2 ? parameters.l2_cycles : parameters.dram_cycles), 0, t);
  add_event(instruction, in_l2 ? EVENT_L2 : EVENT_DRAM, 0);
  prefetch_train(line, t);
}

void memory_access(uint64_t address, int instruction, int is_store) {
  int translation = tlb_cycles(address);
  if (translation) memory_delay_access(instruction, translation);
  if (!memory_has(address, is_store)) miss(address / LINE_BYTES, instruction, is_store);
}

void memory_preload(uint64_t address, uint64_t bytes) {
  for (uint64_t line = address / LINE_BYTES; line * LINE_BYTES < address + bytes; line++) {
    l2_access(line, 0);
    l2_write_back(line, 0);
  }
}

void memory_delay_access(int instruction, int cycles) {
  add_event(instruction, EVENT_DELAY, cycles);
}

void memory_add_fetch_delay(int cycles) {
  int kept = memory_event_count < MAX_EVENTS ? memory_event_count : MAX_EVENTS - 1;
  memmove(memory_events + 1, memory_events, (size_t)kept * sizeof *memory_events);
  memory_events[0] = (struct event){.instruction = 0, .kind = EVENT_FETCH, .ready = cycles};
  memory_event_count = kept + 1;
}

int memory_fetch_delay(int *event) {
  if (*event == memory_event_count || memory_events[*event].kind != EVENT_FETCH) return 0;
  return (int)memory_events[(*event)++].ready;
}

static int64_t load_arrives(const struct event *event, int64_t start) {
  if (event->kind == EVENT_READY_AT) return event->ready;
  int64_t *slot = first_free_slot();
  if (*slot > start) start = *slot;
  if (event->kind == EVENT_L2) *slot = start + parameters.l2_cycles;
  else *slot = memory_take_bus(start) + parameters.dram_cycles;
  return *slot;
}

static int64_t store_accepted(const struct event *event, int64_t start) {
  /* A line overwritten whole is not read; its write-back took the bus when it left L2. */
  if (event->kind == EVENT_STORE) memory_take_bus(start);
  int64_t buffered = (int64_t)parameters.store_buffer_lines * parameters.dram_line_cycles;
  return memory_queues.bus_free - buffered;
}

struct memory_delay memory_resolve(int *event, int instruction, int64_t issue) {
  struct memory_delay delay = {0, 0};
  int64_t start = issue;
  for (; *event < memory_event_count; ++*event) {
    const struct event *each = &memory_events[*event];
    if (each->instruction > instruction) break;
    int64_t data = 0, store = 0;
    if (each->kind == EVENT_DELAY) data = (start += each->ready) + 1;
    else if (each->kind == EVENT_STORE || each->kind == EVENT_STORE_STREAM)
      store = store_accepted(each, start);
    else data = load_arrives(each, start);
    if (data > delay.data_arrives) delay.data_arrives = data;
    if (store > delay.store_accepted) delay.store_accepted = store;
  }
  return delay;
}
