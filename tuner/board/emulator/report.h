/* What the emulator can tell at exit: instructions it could not decode, the hottest blocks. */
#ifndef REPORT_H
#define REPORT_H

#include "block.h"

void report_undecoded(const char *text);
void report_keep_block(struct block *block);

/* Distinct undecoded instructions, to stderr. */
void report_print_undecoded(void);

/* The blocks that took most cycles, with their disassembly, to a file. */
void report_write_profile(const char *path);

#endif
