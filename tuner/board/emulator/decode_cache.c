#include "decode_cache.h"

#include <string.h>

enum { ENTRY_BITS = 16, FIRST_WIDE_T32 = 0x1d };

struct entry {
  uint32_t encoding;
  uint16_t size; /* 0: empty */
  uint16_t set;
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

/* Four bytes that begin like a T32 instruction of four. */
static int is_ambiguous(enum encoding_set set, uint32_t encoding) {
  return set == SET_A32_OR_T32 && (encoding & 0xffff) >> 11 >= FIRST_WIDE_T32;
}

int decode_cache_find(enum encoding_set set, const void *bytes, size_t size,
                      struct instruction *out) {
  uint32_t encoding = encoding_of(bytes, size);
  const struct entry *entry = entry_of(encoding);
  if (entry->encoding != encoding || entry->size != size || entry->set != set ||
      is_ambiguous(set, encoding))
    return 0;
  *out = entry->decoded;
  return 1;
}

void decode_cache_keep(enum encoding_set set, const void *bytes, size_t size,
                       const struct instruction *decoded) {
  uint32_t encoding = encoding_of(bytes, size);
  *entry_of(encoding) = (struct entry){encoding, (uint16_t)size, (uint16_t)set, *decoded};
}
