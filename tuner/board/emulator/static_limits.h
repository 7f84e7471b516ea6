/* What limits a loop, without QEMU; for callers from other languages (static.py). */
#ifndef STATIC_LIMITS_H
#define STATIC_LIMITS_H

#include "loop_limits.h"

/* Lines of disassembly as for static_loop; 0 if there are none.  Some milliseconds.  The board has
 * to be loaded before (static_load), and again afterwards: no core is selected then. */
int static_limits(int is_a64, const char *lines, struct limits *limits);

/* Whether the model knows the timing of an instruction. */
int static_knows(int is_a64, const char *line);

#endif
