/* The core model without QEMU: what a loop costs when it runs for long and all its data is in L1.
 *
 * For callers from other languages (static.py), as a shared library.  One board at a time. */
#ifndef STATIC_MODEL_H
#define STATIC_MODEL_H

#include <stdint.h>

#include "decode.h"
#include "parameters.h"

struct static_result {
  int64_t cycles;     /* of `iterations` iterations, after which the pipeline's state is the same */
  int64_t iterations; /* 0: it did not settle within MAX_ITERATIONS; cycles are of the last half */
  int32_t instructions, undecoded; /* of one iteration */
};

/* A board's parameter file (parameters.h); NULL after a line on stderr when it cannot be used. */
struct parameters *static_load(const char *parameter_path);
/* From now on times are of this board. */
void static_select(const struct parameters *board);

/* Lines of disassembly, the last one a branch back to the first; 0 if there are none. */
int static_loop(int is_a64, const char *lines, struct static_result *result);

/* The same in two parts, for timing many orders of the same instructions: `order` are their
 * positions in `lines`.  Only for the board that was loaded when they were prepared. */
struct block *static_prepare(int is_a64, const char *lines);
void static_time(const struct block *block, const int32_t *order, struct static_result *result);
void static_release(struct block *block);

/* What one instruction reads and writes, numbered as in decode.h; 0 if it is not known. */
struct static_operands {
  int32_t source_count, destination_count;
  uint8_t sources[MAX_REGISTERS], destinations[MAX_REGISTERS + 1]; /* with an updated base */
};
int static_operands(int is_a64, const char *line, struct static_operands *out);

#endif
