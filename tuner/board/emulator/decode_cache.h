/* Decoded instructions by their encoding: disassembling one costs QEMU more than running it many
 * times, and kernels are full of equal ones. */
#ifndef DECODE_CACHE_H
#define DECODE_CACHE_H

#include <stddef.h>

#include "decode.h"

/* Returns 0 when these bytes were not seen before, or might be another instruction in T32. */
int decode_cache_find(enum isa isa, const void *bytes, size_t size, struct instruction *out);
void decode_cache_keep(const void *bytes, size_t size, const struct instruction *decoded);

#endif
