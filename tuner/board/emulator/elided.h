/* Multiply-adds that tuner/board/elide.py replaced by moves for a faster run. */
#ifndef ELIDED_H
#define ELIDED_H

#include "decode.h"

enum { MAX_ELIDED_TEXT = 64 };

/* The text of the multiply-add that this "ext ..., #0" stands for, or the text itself.
 *
 * A64:            ext v8.16b, v1.16b, v0.16b, #0  is  fmla v8.4s, v1.4s, v0.4s
 * A32 vector:     vext.64 q8, q1, q0, #0          is  vmla.f32 q8, q1, q0
 * A32 by scalar:  vext.32 d16, d2, d1, #0         is  vmla.f32 q8, q1, d1[0]
 *
 * Which multiply-add of that shape and which lane it was does not matter to any core. */
const char *elided_text(enum isa isa, const char *text, char storage[MAX_ELIDED_TEXT]);

#endif
