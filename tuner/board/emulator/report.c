#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_UNDECODED = 256, MAX_TEXT = 64, PROFILE_BLOCKS = 30 };

static char undecoded[MAX_UNDECODED][MAX_TEXT];
static int undecoded_count;
static struct block *blocks;

static size_t name_length(const char *text) { return strcspn(text, " \t"); }

/* One example per mnemonic is enough to extend the decoder. */
void report_undecoded(const char *text) {
  size_t length = name_length(text);
  for (int i = 0; i < undecoded_count; i++)
    if (name_length(undecoded[i]) == length && !strncmp(undecoded[i], text, length)) return;
  if (undecoded_count < MAX_UNDECODED)
    snprintf(undecoded[undecoded_count++], MAX_TEXT, "%s", text);
}

void report_keep_block(struct block *block) {
  block->next = blocks;
  blocks = block;
}

void report_print_undecoded(void) {
  for (int i = 0; i < undecoded_count; i++)
    fprintf(stderr, "emulator: undecoded instruction: %s\n", undecoded[i]);
}

static int by_cycles(const void *left, const void *right) {
  const struct block *a = *(struct block *const *)left, *b = *(struct block *const *)right;
  if (a->cycles != b->cycles) return a->cycles < b->cycles ? 1 : -1;
  return a->address < b->address ? -1 : a->address > b->address;
}

void report_write_profile(const char *path) {
  FILE *file = fopen(path, "w");
  if (!file) {
    fprintf(stderr, "emulator: cannot write the profile %s\n", path);
    return;
  }
  size_t count = 0;
  for (struct block *block = blocks; block; block = block->next) count += block->executions > 0;
  struct block **sorted = calloc(count + 1, sizeof *sorted);
  size_t n = 0;
  for (struct block *block = blocks; block; block = block->next)
    if (block->executions) sorted[n++] = block;
  qsort(sorted, count, sizeof *sorted, by_cycles);
  for (size_t i = 0; i < count && i < PROFILE_BLOCKS; i++) {
    const struct block *block = sorted[i];
    uint64_t hundredths = block->cycles * 100 / block->executions;
    fprintf(file,
            "block 0x%llx: %llu cycles, %llu executions, %llu.%02llu cycles each, %d "
            "instructions\n%s\n",
            (unsigned long long)block->address, (unsigned long long)block->cycles,
            (unsigned long long)block->executions, (unsigned long long)(hundredths / 100),
            (unsigned long long)(hundredths % 100), block->count, block->text);
  }
  free(sorted);
  fclose(file);
}
