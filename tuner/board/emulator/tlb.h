/* Address translation: a small data TLB of each core, a larger one behind it, and the page walk.
 *
 * Both are fully associative and replace the entry that came first: with sets, cycles would depend
 * on where tensors happen to lie.  Only data accesses are translated: code has few pages. */
#ifndef TLB_H
#define TLB_H

#include <stdint.h>

#include "parameters.h"

enum { PAGE_BYTES = 4096, TLB_FILTER = 256 };

/* Pages of the small TLB of the current core, for a quick answer; some may be missing here. */
extern uint64_t *tlb_filter;

void tlb_reset(void);
void tlb_select_core(int core);

/* Extra cycles for an access to a page that the filter does not show. */
int tlb_miss(uint64_t page);

static inline int tlb_cycles(uint64_t address) {
  uint64_t page = address / PAGE_BYTES;
  return tlb_filter[page % TLB_FILTER] == page ? 0 : tlb_miss(page);
}

#endif
