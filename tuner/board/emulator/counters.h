/* What happened in the timed region so far. */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdint.h>

struct counters {
  uint64_t instructions, undecoded;
  uint64_t branches, mispredicts;
  uint64_t l1d_accesses, l1d_misses, l2_misses, prefetches, dram_lines;
};

extern struct counters counters;

#endif
