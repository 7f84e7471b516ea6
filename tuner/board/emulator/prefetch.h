/* The stride prefetcher of a core: a few streams, trained by misses a constant distance apart. */
#ifndef PREFETCH_H
#define PREFETCH_H

#include <stdint.h>

void prefetch_reset(void);
void prefetch_select_core(int core);
void prefetch_train(uint64_t line, int64_t t);

/* Brings a line to L1 (in memory.c); returns 0 if it was there. */
int memory_prefetch(uint64_t line, int64_t t);

#endif
