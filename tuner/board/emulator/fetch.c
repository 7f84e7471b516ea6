#include "fetch.h"

#include <stdlib.h>
#include <string.h>

struct code_set {
  uint64_t tag[MAX_L1_WAYS]; /* most recently used first */
};

static struct code_set *caches[MAX_CORES];
static struct code_set *cache;
static uint64_t mask;
static uint32_t epoch = 1;

void fetch_create(void) {
  uint64_t sets = (uint64_t)(parameters.l1i_bytes / LINE_BYTES / parameters.l1i_ways);
  mask = sets - 1;
  for (int core = 0; core < parameters.cores; core++) caches[core] = calloc(sets, sizeof **caches);
  fetch_reset();
}

void fetch_reset(void) {
  epoch++;
  for (int core = 0; core < parameters.cores; core++)
    memset(caches[core], 0xff, (mask + 1) * sizeof **caches); /* no such line */
  cache = caches[0];
}

void fetch_select_core(int core) { cache = caches[core]; }

static int is_there(uint64_t line) {
  struct code_set *set = &cache[line & mask];
  if (set->tag[0] == line) return 1;
  int way = 1, last = (int)((unsigned)(parameters.l1i_ways - 1) % MAX_L1_WAYS);
  while (way < last && set->tag[way] != line) way++;
  int found = way <= last && set->tag[way] == line;
  if (way > last) way = last;
  for (; way > 0; way--) set->tag[way] = set->tag[way - 1];
  set->tag[0] = line;
  return found;
}

int fetch_cycles(struct block *block) {
  int missing = 0;
  for (uint64_t line = block->address / LINE_BYTES; line * LINE_BYTES < block->end; line++)
    missing += !is_there(line);
  int is_first_run = block->fetch_epoch != epoch;
  block->fetch_epoch = epoch;
  if (!missing || is_first_run) return 0;
  /* The next line is fetched ahead while one runs, which hides about half of its time. */
  return parameters.l2_cycles + (missing - 1) * parameters.l2_cycles / 2;
}
