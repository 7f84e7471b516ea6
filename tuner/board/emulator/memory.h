/* L1 data caches, the shared L2, the prefetcher and the memory bus.
 *
 * Caches change at the moment of the guest's access, in program order.  When a miss delays the
 * core is decided later, when the block is replayed and the load's true issue time is known: that
 * is what the event list carries from here to the pipelines.
 *
 * Simplifications: physical addresses are the virtual ones; true LRU everywhere.  Only loads train the
 * prefetcher.  A prefetch instruction never waits: it is dropped when every miss slot is taken. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdint.h>

#include "parameters.h"
#include "tlb.h"

enum { MAX_EVENTS = 4096 };

/* EVENT_FETCH delays the block itself, EVENT_DELAY the access (its further events, too). */
enum event_kind {
  EVENT_READY_AT,
  EVENT_L2,
  EVENT_DRAM,
  EVENT_STORE,
  EVENT_STORE_STREAM,
  EVENT_FETCH,
  EVENT_DELAY
};

struct event {
  int32_t instruction; /* index in the block */
  int32_t kind;
  int64_t ready; /* EVENT_READY_AT: when a line on its way arrives; FETCH, DELAY: cycles */
};

/* What the core's misses wait for: when the bus is free, and when each outstanding miss completes.
 * Times in the past are all the same. */
struct memory_queues {
  int64_t bus_free;
  int64_t miss_slots[MAX_MSHRS];
};

extern struct memory_queues memory_queues;
extern struct event memory_events[MAX_EVENTS];
extern int memory_event_count;
extern uint64_t memory_l1_mask;

/* Of each set of the current core's L1, the line that may be read, and the one that may be written,
 * without any change: the most recently used one, here already, for writes dirty. */
struct quick_line {
  uint64_t read, write;
};

extern struct quick_line *memory_quick;

/* What the events of one instruction do to it; 0: nothing. */
struct memory_delay {
  int64_t data_arrives;  /* of a load that needs its latency less one from then on */
  int64_t store_accepted; /* until then nothing later completes */
};

void memory_create(void);
void memory_flush(void);                        /* everything empty */
void memory_settle(void);                       /* at time 0: nothing on its way */
void memory_preload(uint64_t address, uint64_t bytes);
void memory_select_core(int core, int64_t now); /* the bus and miss slots are free from now */
/* A prefetch instruction that issues at t. */
void memory_software_prefetch(uint64_t address, int64_t t);
void memory_delay_access(int instruction, int cycles);

/* One line over the memory bus, not before t; returns when its transfer starts. */
int64_t memory_take_bus(int64_t t);

/* Cycles before the block's first instruction; call it first. */
int memory_fetch_delay(int *event);

/* Consumes the events of an instruction that issues at this time. */
struct memory_delay memory_resolve(int *event, int instruction, int64_t issue);

/* Whether there is anything to consume. */
static inline int memory_has_event(int event, int instruction) {
  return event < memory_event_count && memory_events[event].instruction <= instruction;
}

/* Once the other events of the block are known. */
void memory_add_fetch_delay(int cycles);

/* The common case: the most recently used line of its set, in a page that the small TLB has. */
static inline int memory_has(uint64_t address, int is_store) {
  uint64_t line = address / LINE_BYTES, page = address / PAGE_BYTES;
  const struct quick_line *quick = &memory_quick[line & memory_l1_mask];
  return tlb_filter[page % TLB_FILTER] == page && (is_store ? quick->write : quick->read) == line;
}

/* An access of any kind. */
void memory_access(uint64_t address, int instruction, int is_store);

#endif
