/* The second-level cache, shared by all cores. */
#ifndef L2_H
#define L2_H

#include <stdint.h>

#define NO_LINE (~(uint64_t)0)

void l2_create(void);
void l2_flush(void); /* empty */

/* Returns whether the line was there; it is the most recent one of its set afterwards. A changed line
 * that has to go takes the memory bus at t. */
int l2_access(uint64_t line, int64_t t);

/* A changed line that left L1: to its place here, or to memory. */
void l2_write_back(uint64_t line, int64_t t);

/* The remainder tells the compiler what the reader of the parameters checked. */
static inline int least_recent_way(int ways, int limit) {
  return (int)((unsigned)(ways - 1) % (unsigned)limit);
}

#endif
