#define _GNU_SOURCE
#include "guest_vectors.h"

#include <dlfcn.h>
#include <malloc.h>
#include <string.h>

enum { MAX_STRIDE = 256 };

int guest_vector_stride;
char *guest_vector_files[MAX_GUEST_THREADS];

static size_t offset; /* in the CPU structure */

static char *current_cpu(void) {
  char **current = dlsym(RTLD_DEFAULT, "current_cpu"); /* QEMU's, of this thread */
  return current ? *current : 0;
}

static int stride_at(const char *place, const char *end, const uint8_t *shown) {
  if (memcmp(place, shown, VECTOR_BYTES)) return 0;
  for (int stride = VECTOR_BYTES; stride <= MAX_STRIDE; stride += VECTOR_BYTES)
    if (place + stride + VECTOR_BYTES <= end &&
        !memcmp(place + stride, shown + VECTOR_BYTES, VECTOR_BYTES))
      return stride;
  return 0;
}

void guest_vectors_find(const uint8_t shown[2 * VECTOR_BYTES]) {
  const char *cpu = current_cpu();
  if (!cpu || guest_vector_stride) return;
  const char *end = cpu + malloc_usable_size((void *)cpu);
  for (const char *place = cpu; place + VECTOR_BYTES <= end; place += sizeof(uint64_t)) {
    guest_vector_stride = stride_at(place, end, shown);
    offset = (size_t)(place - cpu);
    if (guest_vector_stride) return;
  }
}

char *guest_vectors_now(unsigned vcpu) {
  char *file = current_cpu() + offset;
  if (vcpu < MAX_GUEST_THREADS) guest_vector_files[vcpu] = file;
  return file;
}

void guest_vectors_forget(unsigned vcpu) {
  if (vcpu < MAX_GUEST_THREADS) guest_vector_files[vcpu] = 0;
}
