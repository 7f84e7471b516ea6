/* Blocks that QEMU made of one stretch of code without branches, put together again.
 *
 * QEMU ends a block after so many operations of its own, and at the end of a page.  A pipeline does
 * not notice where, so neither may the model: its answer would change with what QEMU makes of an
 * instruction (arithmetic/replaced.h). */
#ifndef JOIN_H
#define JOIN_H

#include "block.h"

/* The block and the one that ran after it as one; 0 when a branch lies between them. */
struct block *join_parts(struct block *first, const struct block *second);

#endif
