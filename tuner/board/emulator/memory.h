/* L1 data caches, the shared L2, the prefetcher and the memory bus.
 *
 * Caches change at the moment of the guest's access, in program order.  When a miss delays the
 * core is decided later, when the block is replayed and the load's true issue time is known: that
 * is what the event list carries from here to the pipelines.
 *
 * Simplifications: physical addresses are the virtual ones; no TLB, no instruction cache, true LRU
 * everywhere; an access that crosses a line counts as the first line only.  QEMU reports no access
 * for prefetch instructions (prfm, pld), so they cost an issue slot and bring nothing.  Only loads
 * train the prefetcher. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdint.h>

#include "parameters.h"

enum { MAX_EVENTS = 4096 };

enum event_kind { EVENT_READY_AT, EVENT_L2, EVENT_DRAM, EVENT_STORE, EVENT_STORE_STREAM };

struct event {
  int32_t instruction; /* index in the block */
  int32_t kind;
  int64_t ready; /* EVENT_READY_AT: when a line already on its way arrives */
};

struct line_state {
  uint64_t tag[MAX_L1_WAYS]; /* most recently used first */
  int64_t ready[MAX_L1_WAYS]; /* arrival time of a line still on its way; 0: here */
  uint8_t dirty[MAX_L1_WAYS];
};

extern struct event memory_events[MAX_EVENTS];
extern int memory_event_count;
extern struct line_state *memory_l1; /* of the current core */
extern uint64_t memory_l1_mask;

static inline int is_store_event(const struct event *event) {
  return event->kind == EVENT_STORE || event->kind == EVENT_STORE_STREAM;
}

void memory_create(void);
void memory_flush(void);                        /* everything empty */
void memory_settle(void);                       /* at time 0: nothing on its way */
void memory_preload(uint64_t address, uint64_t bytes);
void memory_select_core(int core, int64_t now); /* the bus and miss slots are free from now */
int64_t memory_bus_free(void);
void memory_miss(uint64_t line, int instruction, int is_store);

/* When the data of a delayed load arrives, or when the core may go on after a store. */
int64_t memory_resolve(const struct event *event, int64_t issue);

/* The common case, an access to the most recently used line of its set, is decided here. */
static inline void memory_access(uint64_t address, int instruction, int is_store) {
  uint64_t line = address / LINE_BYTES;
  struct line_state *set = &memory_l1[line & memory_l1_mask];
  if (__builtin_expect(set->tag[0] == line && !set->ready[0] && set->dirty[0] >= is_store, 1))
    return;
  memory_miss(line, instruction, is_store);
}

#endif
