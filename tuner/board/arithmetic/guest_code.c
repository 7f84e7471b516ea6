#include "guest_code.h"

#include "guest_calls.h"
#include "guest_vectors.h"
#include "region.h"
#include "replaced.h"

void guest_code_call(enum isa isa, uint64_t operation, uint64_t argument, uint64_t length) {
  if (isa == ISA_A32) argument = (uint32_t)argument; /* QEMU extends its sign */
  void *memory = guest_memory(isa == ISA_A64, argument);
  switch (operation) {
    case GUEST_VECTORS: guest_vectors_find(memory); break;
    case GUEST_LIBRARY: replaced_forget(argument, length); break;
    case GUEST_CODE:
      if (guest_vector_stride) replaced_code(isa, argument, memory, length);
      break;
    default: break; /* a newer guest: it finds out by the ABI version */
  }
}
