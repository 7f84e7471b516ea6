#include "tlb.h"

#include <string.h>

struct translations {
  uint64_t page[MAX_TLB];
  unsigned next;
};

struct tlb {
  uint64_t filter[TLB_FILTER];
  struct translations small, large;
};

static struct tlb tlbs[MAX_CORES];
static struct tlb *tlb = tlbs;
uint64_t *tlb_filter = tlbs[0].filter;

static const uint64_t no_page = ~0ull;

void tlb_reset(void) {
  memset(tlbs, 0xff, sizeof tlbs);
  for (int core = 0; core < MAX_CORES; core++) tlbs[core].small.next = tlbs[core].large.next = 0;
}

void tlb_select_core(int core) {
  tlb = &tlbs[core];
  tlb_filter = tlb->filter;
}

static int has(const struct translations *held, int entries, uint64_t page) {
  for (int i = 0; i < entries; i++)
    if (held->page[i] == page) return 1;
  return 0;
}

/* Returns the page that had to go. */
static uint64_t put(struct translations *held, int entries, uint64_t page) {
  uint64_t *place = &held->page[held->next++ % (unsigned)entries], replaced = *place;
  *place = page;
  return replaced;
}

int tlb_miss(uint64_t page) {
  uint64_t *quick = &tlb->filter[page % TLB_FILTER];
  if (has(&tlb->small, parameters.dtlb_entries, page)) {
    *quick = page;
    return 0;
  }
  uint64_t replaced = put(&tlb->small, parameters.dtlb_entries, page);
  uint64_t *old = &tlb->filter[replaced % TLB_FILTER];
  if (*old == replaced) *old = no_page;
  *quick = page;
  if (has(&tlb->large, parameters.tlb_entries, page)) return parameters.dtlb_miss_cycles;
  put(&tlb->large, parameters.tlb_entries, page);
  return parameters.dtlb_miss_cycles + parameters.page_walk_cycles;
}
