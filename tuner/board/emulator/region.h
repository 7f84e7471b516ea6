/* Timed regions, parallel loops and the guest's calls. */
#ifndef REGION_H
#define REGION_H

#include "block.h"
#include "counters.h"
#include "memory.h"
#include "pipeline.h"

/* Whether anything is modelled at the moment. */
extern int region_active;

void region_create(const struct pipeline *pipeline);

/* A block begins; the one before it is therefore complete, unless this one continues it. */
void region_block(struct block *block);

/* Index, in the part that began last, of the next prefetch instruction; until there an access may be
 * all that happens. */
extern int region_quick_until;

void region_access_slowly(uint64_t address, int instruction, int is_store);

/* An instruction of the block that began last, by its index there, touches memory. */
static inline void region_access(uint64_t address, int instruction, int is_store) {
  if (__builtin_expect(instruction <= region_quick_until && memory_has(address, is_store), 1))
    counters.l1d_accesses++;
  else region_access_slowly(address, instruction, is_store);
}

/* Then, if its last byte lies in another line, the rest of what it touches. */
void region_access_rest(uint64_t last, int instruction, int is_store);

/* One guest call; is_64_bit tells how wide its addresses are. */
void region_guest_call(int is_64_bit, uint64_t operation, uint64_t argument, uint64_t length);

/* Where the host finds what lies at an address of the guest. */
void *guest_memory(int is_64_bit, uint64_t address);

#endif
