/* Decoded instructions by their encoding: disassembling one costs QEMU more than running it many
 * times, and kernels are full of equal ones. */
#ifndef DECODE_CACHE_H
#define DECODE_CACHE_H

#include <stddef.h>

#include "decode.h"

/* QEMU does not tell A32 from T32, but only T32 has instructions of two bytes. */
enum encoding_set { SET_A64, SET_T32, SET_A32_OR_T32 };

/* Returns 0 when these bytes were not seen before, or might be of either set. */
int decode_cache_find(enum encoding_set set, const void *bytes, size_t size,
                      struct instruction *out);
void decode_cache_keep(enum encoding_set set, const void *bytes, size_t size,
                       const struct instruction *decoded);

#endif
