#include "tlb.h"

#include <string.h>

struct tlb {
  uint64_t filter[TLB_FILTER];
  uint64_t small[MAX_DTLB];
  uint64_t large[MAX_TLB];
  unsigned next;
};

static struct tlb tlbs[MAX_CORES];
static struct tlb *tlb = tlbs;
uint64_t *tlb_filter = tlbs[0].filter;

void tlb_reset(void) {
  memset(tlbs, 0xff, sizeof tlbs); /* no such page */
  for (int core = 0; core < MAX_CORES; core++) tlbs[core].next = 0;
}

void tlb_select_core(int core) {
  tlb = &tlbs[core];
  tlb_filter = tlb->filter;
}

static int is_in_small(uint64_t page) {
  for (int i = 0; i < parameters.dtlb_entries; i++)
    if (tlb->small[i] == page) return 1;
  return 0;
}

int tlb_miss(uint64_t page) {
  uint64_t *quick = &tlb->filter[page % TLB_FILTER];
  int found = is_in_small(page);
  if (!found) {
    uint64_t *replaced = &tlb->small[tlb->next++ % (unsigned)parameters.dtlb_entries];
    uint64_t *old = &tlb->filter[*replaced % TLB_FILTER];
    if (*old == *replaced) *old = ~0ull;
    *replaced = page;
  }
  *quick = page;
  if (found) return 0;
  uint64_t *large = &tlb->large[page % (unsigned)parameters.tlb_entries];
  if (*large == page) return parameters.dtlb_miss_cycles;
  *large = page;
  return parameters.dtlb_miss_cycles + parameters.page_walk_cycles;
}
