/* A stretch of guest code from where a branch leads to the next branch, with everything the model
 * needs of it worked out once.  QEMU may translate it in parts, which join.c puts together. */
#ifndef BLOCK_H
#define BLOCK_H

#include "addresses.h"
#include "parameters.h"

enum { BRANCH_HISTORY = 256, MEMO_ENTRY_BITS = 7, PROFILE_EVENTS = 8 };

struct uop {
  uint8_t pipes;
  uint8_t cycles;
};

/* A register's time to whoever takes it as the addend of an FMA stands beside its time to all
 * others: a source or destination that is an addend has this added to its number. */
enum { ADDEND = REGISTER_COUNT, REGISTER_TIMES = 2 * REGISTER_COUNT };

/* vldm and vstm of all registers, with base and flags, need 34. */
enum { TIMED_REGISTERS = 36 };

/* One line of the host's cache, as the replay of blocks that missed is mostly waiting for these. */
struct timed_instruction {
  uint8_t class;
  uint8_t source_count, destination_count, uop_count;
  uint8_t first_destination; /* in registers[]; the sources begin at 0 */
  int8_t writeback;
  uint8_t latency, addend_latency;
  uint8_t is_load, is_store;
  uint8_t is_vector_load;
  uint8_t issues_alone; /* in-order cores: number of cycles nothing else issues; 0: no rule */
  struct uop uops[2 * MAX_UOPS];
  uint8_t registers[TIMED_REGISTERS];
};

/* A prefetch instruction whose address is known from the registers at the block's start; in joined
 * blocks, at the start of its part. */
struct software_prefetch {
  int instruction; /* index in the block */
  struct address address;
  uint64_t value; /* of the address, this time */
};

/* What running the block from one pipeline state did: exact, hence reusable. */
struct memo_entry {
  uint32_t generation;
  uint32_t state, next_state;
  uint32_t outcome;
  uint32_t cycles;
};

struct block {
  uint64_t address, end;
  int count;
  int undecoded;
  int has_branch, is_conditional;
  struct timed_instruction *instructions;
  struct software_prefetch *prefetches;
  int prefetch_count;

  /* Of a block that ends without a branch: its registers there, and with the block that came next,
   * the last time, the two as one. */
  struct tracked_registers *registers_at_end;
  const struct block *next_part;
  struct block *joined;

  uint32_t fetch_epoch; /* of the last run: fetch.c */
  uint32_t branch_epoch;
  uint8_t history;
  uint8_t counters[BRANCH_HISTORY];

  struct memo_entry *memo; /* 1 << MEMO_ENTRY_BITS of them, from the first use on */

  uint64_t executions, cycles;
  /* For the profile only: */
  char *text;          /* disassembly */
  struct block *next;  /* list of all blocks */
  uint64_t mispredicts;
  uint32_t (*events)[PROFILE_EVENTS]; /* kinds of memory.h, met by each instruction */
};

/* The registers of one load arrive one after the other while it holds its pipe: so many cycles
 * after the first one. */
static inline int load_stagger(const struct timed_instruction *in, int destination) {
  if (!destination || !in->is_load || in->uops[0].cycles == 1) return 0;
  return in->uops[0].cycles * destination / in->destination_count;
}

/* So many instructions, each in a cache line of its own; free() them. */
struct timed_instruction *new_instructions(int count);

void time_instruction(const struct instruction *decoded, struct timed_instruction *out);

#endif
