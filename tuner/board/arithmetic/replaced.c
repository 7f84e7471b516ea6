#include "replaced.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t does_nothing[] = {[ISA_A64] = 0xd503201f, [ISA_A32] = 0xe320f000};

static struct piece {
  uint64_t address, count;
  uint32_t *words; /* as they were */
} *pieces;
static size_t piece_count;
/* One guest thread may load a library while another one runs into new code. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void replaced_forget(uint64_t address, uint64_t length) {
  size_t kept = 0;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < piece_count; i++) {
    struct piece *each = &pieces[i];
    if (each->address < address + length && address < each->address + 4 * each->count)
      free(each->words);
    else pieces[kept++] = *each;
  }
  piece_count = kept;
  pthread_mutex_unlock(&lock);
}

void replaced_code(enum isa isa, uint64_t address, void *memory, uint64_t length) {
  uint32_t *words = memory;
  struct operation operation;
  struct piece piece = {address, length / 4, malloc(length)};
  memcpy(piece.words, words, length);
  for (uint64_t i = 0; i < piece.count; i++)
    if (operation_of(isa, words[i], &operation)) words[i] = does_nothing[isa];
  pthread_mutex_lock(&lock);
  pieces = realloc(pieces, (piece_count + 1) * sizeof *pieces);
  pieces[piece_count++] = piece;
  pthread_mutex_unlock(&lock);
}

/* Returns whether it lies in a piece. */
static int find_word(uint64_t address, uint32_t *word) {
  for (size_t i = 0; i < piece_count; i++) {
    uint64_t index = (address - pieces[i].address) / 4;
    if (address < pieces[i].address || index >= pieces[i].count) continue;
    *word = pieces[i].words[index];
    return 1;
  }
  return 0;
}

int replaced_operation(enum isa isa, uint64_t address, const void *bytes, size_t size,
                       struct operation *out, uint32_t *encoding) {
  if (size != 4 || memcmp(bytes, &does_nothing[isa], size)) return 0;
  pthread_mutex_lock(&lock);
  int found = find_word(address, encoding);
  pthread_mutex_unlock(&lock);
  return found && operation_of(isa, *encoding, out);
}
