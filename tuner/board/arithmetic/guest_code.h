/* The guest's calls about code and vector registers. */
#ifndef GUEST_CODE_H
#define GUEST_CODE_H

#include <stdint.h>

#include "decode.h"

void guest_code_call(enum isa isa, uint64_t operation, uint64_t argument, uint64_t length);

#endif
