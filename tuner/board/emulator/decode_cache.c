#include "decode_cache.h"

#include <string.h>

enum { ENTRY_BITS = 14, FIRST_WIDE_T32 = 0x1d };

struct entry {
  uint32_t encoding;
  uint32_t size; /* 0: empty */
  struct instruction decoded;
};

static struct entry entries[1 << ENTRY_BITS];

static uint32_t encoding_of(const void *bytes, size_t size) {
  uint32_t encoding = 0;
  memcpy(&encoding, bytes, size < sizeof encoding ? size : sizeof encoding);
  return encoding;
}

static struct entry *entry_of(uint32_t encoding) {
  return &entries[encoding * 2654435769u >> (32 - ENTRY_BITS)];
}

/* QEMU does not tell A32 from T32.  Two bytes are T32; so may be four that begin like one. */
static int is_ambiguous(enum isa isa, uint32_t encoding, size_t size) {
  return isa == ISA_A32 && size == 4 && (encoding & 0xffff) >> 11 >= FIRST_WIDE_T32;
}

int decode_cache_find(enum isa isa, const void *bytes, size_t size, struct instruction *out) {
  uint32_t encoding = encoding_of(bytes, size);
  const struct entry *entry = entry_of(encoding);
  if (entry->encoding != encoding || entry->size != size || is_ambiguous(isa, encoding, size))
    return 0;
  *out = entry->decoded;
  return 1;
}

void decode_cache_keep(const void *bytes, size_t size, const struct instruction *decoded) {
  uint32_t encoding = encoding_of(bytes, size);
  *entry_of(encoding) = (struct entry){encoding, (uint32_t)size, *decoded};
}
