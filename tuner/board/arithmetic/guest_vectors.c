#include "guest_vectors.h"

#include <stddef.h>
#include <string.h>

#include "guest_registers.h"

enum { MAX_STRIDE = 256 };

int guest_vector_stride;
char *guest_vector_files[MAX_GUEST_THREADS];

static size_t offset; /* in the CPU structure */

static int stride_at(const char *place, const char *end, const uint8_t *shown) {
  if (memcmp(place, shown, VECTOR_BYTES)) return 0;
  for (int stride = VECTOR_BYTES; stride <= MAX_STRIDE; stride += VECTOR_BYTES)
    if (place + stride + VECTOR_BYTES <= end &&
        !memcmp(place + stride, shown + VECTOR_BYTES, VECTOR_BYTES))
      return stride;
  return 0;
}

void guest_vectors_find(const uint8_t shown[2 * VECTOR_BYTES]) {
  size_t size;
  const char *cpu = guest_cpu(&size);
  if (!cpu || guest_vector_stride) return;
  const char *end = cpu + size;
  for (const char *place = cpu; place + VECTOR_BYTES <= end; place += sizeof(uint64_t)) {
    guest_vector_stride = stride_at(place, end, shown);
    offset = (size_t)(place - cpu);
    if (guest_vector_stride) return;
  }
}

char *guest_vectors_now(unsigned vcpu) {
  size_t size;
  char *file = guest_cpu(&size) + offset;
  if (vcpu < MAX_GUEST_THREADS) guest_vector_files[vcpu] = file;
  return file;
}

void guest_vectors_forget(unsigned vcpu) {
  if (vcpu < MAX_GUEST_THREADS) guest_vector_files[vcpu] = 0;
}
