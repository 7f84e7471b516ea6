#include "l2.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "parameters.h"

struct l2_set {
  uint64_t tag[MAX_L2_WAYS]; /* most recently used first */
  uint8_t dirty[MAX_L2_WAYS];
};

static struct l2_set *sets;
static uint64_t mask;

void l2_create(void) {
  mask = (uint64_t)(parameters.l2_bytes / LINE_BYTES / parameters.l2_ways) - 1;
  sets = calloc(mask + 1, sizeof *sets);
}

void l2_flush(void) {
  for (uint64_t i = 0; i <= mask; i++) {
    memset(&sets[i], 0, sizeof sets[i]);
    for (int way = 0; way < MAX_L2_WAYS; way++) sets[i].tag[way] = NO_LINE;
  }
}

static void move_to_front(struct l2_set *set, int way) {
  uint64_t tag = set->tag[way];
  uint8_t dirty = set->dirty[way];
  for (; way > 0; way--) {
    set->tag[way] = set->tag[way - 1];
    set->dirty[way] = set->dirty[way - 1];
  }
  set->tag[0] = tag;
  set->dirty[0] = dirty;
}

int l2_access(uint64_t line, int64_t t) {
  struct l2_set *set = &sets[line & mask];
  for (int way = 0; way < parameters.l2_ways; way++) {
    if (set->tag[way] != line) continue;
    move_to_front(set, way);
    return 1;
  }
  int victim = least_recent_way(parameters.l2_ways, MAX_L2_WAYS);
  if (set->dirty[victim]) memory_take_bus(t);
  set->tag[victim] = line;
  set->dirty[victim] = 0;
  move_to_front(set, victim);
  return 0;
}

void l2_write_back(uint64_t line, int64_t t) {
  struct l2_set *set = &sets[line & mask];
  for (int way = 0; way < parameters.l2_ways; way++) {
    if (set->tag[way] != line) continue;
    set->dirty[way] = 1;
    return;
  }
  memory_take_bus(t);
}
