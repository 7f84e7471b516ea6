/* What the emulator can tell at exit: instructions it could not decode, the hottest blocks. */
#ifndef REPORT_H
#define REPORT_H

#include "block.h"

void report_undecoded(const char *text);
void report_keep_block(struct block *block);

/* A kept block is about to be accounted: what delays it. */
void report_events(struct block *block, int mispredicted);

/* Distinct undecoded instructions, to stderr. */
void report_print_undecoded(void);

/* The blocks that took most cycles, to a file: what they took, what they could do at best (see
 * loop_limits.h), and each instruction with the events of memory.h that it met.  Nothing is written if
 * no block ran in a region. */
void report_write_profile(const char *path);

#endif
