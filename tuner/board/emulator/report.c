#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop_limits.h"
#include "memory.h"

enum { MAX_UNDECODED = 256, MAX_TEXT = 64, PROFILE_BLOCKS = 60 };

static const char *const event_names[PROFILE_EVENTS] = {[EVENT_READY_AT] = "late",
                                                        [EVENT_L2] = "L2",
                                                        [EVENT_DRAM] = "DRAM",
                                                        [EVENT_STORE] = "store",
                                                        [EVENT_STORE_STREAM] = "stream",
                                                        [EVENT_FETCH] = "fetch",
                                                        [EVENT_DELAY] = "slow"};

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
  block->events = calloc((size_t)block->count, sizeof *block->events);
  block->next = blocks;
  blocks = block;
}

void report_events(struct block *block, int mispredicted) {
  block->mispredicts += (uint64_t)mispredicted;
  for (int i = 0; i < memory_event_count; i++) {
    const struct event *event = &memory_events[i];
    if (event->instruction >= 0 && event->instruction < block->count)
      block->events[event->instruction][event->kind]++;
  }
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

static void print_hundredths(FILE *file, const char *name, uint64_t hundredths) {
  fprintf(file, " %s %llu.%02llu", name, (unsigned long long)(hundredths / 100),
          (unsigned long long)(hundredths % 100));
}

static void print_instructions(FILE *file, const struct block *block) {
  const char *line = block->text;
  for (int i = 0; i < block->count; i++) {
    int length = (int)strcspn(line, "\n");
    fprintf(file, "%.*s", length, line);
    for (int kind = 0; kind < PROFILE_EVENTS; kind++)
      if (event_names[kind] && block->events[i][kind])
        fprintf(file, "\t%s %u", event_names[kind], block->events[i][kind]);
    if (block->instructions[i].class == CLASS_UNKNOWN)
      fprintf(file, "\tundecoded %llu", (unsigned long long)block->executions);
    fprintf(file, "\n");
    line += length + 1;
  }
}

static void print_block(FILE *file, const struct block *block) {
  struct limits limits = limits_of(block);
  fprintf(file, "block 0x%llx end 0x%llx cycles %llu executions %llu mispredicts %llu",
          (unsigned long long)block->address, (unsigned long long)block->end,
          (unsigned long long)block->cycles, (unsigned long long)block->executions,
          (unsigned long long)block->mispredicts);
  print_hundredths(file, "each", block->cycles * 100 / block->executions);
  print_hundredths(file, "steady", limits.steady);
  print_hundredths(file, "resources", limits.resources);
  print_hundredths(file, "issue", limits.issue);
  print_hundredths(file, "arithmetic", limits.arithmetic);
  print_hundredths(file, "memory", limits.memory);
  fprintf(file, "\n");
  print_instructions(file, block);
}

/* Of several processes that were forked from one, only those that ran a region have something to
 * tell.  The file appears complete: somebody may wait for it. */
void report_write_profile(const char *path) {
  size_t count = 0;
  uint64_t cycles = 0;
  for (struct block *block = blocks; block; block = block->next) {
    count += block->cycles > 0;
    cycles += block->cycles;
  }
  if (!count) return;
  size_t length = strlen(path) + sizeof ".part";
  char *unfinished = malloc(length);
  snprintf(unfinished, length, "%s.part", path);
  FILE *file = fopen(unfinished, "w");
  if (!file) {
    fprintf(stderr, "emulator: cannot write the profile %s\n", path);
    return;
  }
  struct block **sorted = calloc(count, sizeof *sorted);
  size_t n = 0;
  for (struct block *block = blocks; block; block = block->next)
    if (block->cycles) sorted[n++] = block;
  qsort(sorted, count, sizeof *sorted, by_cycles);
  fprintf(file, "profile cycles %llu\n", (unsigned long long)cycles);
  for (size_t i = 0; i < count && i < PROFILE_BLOCKS; i++) print_block(file, sorted[i]);
  free(sorted);
  fclose(file);
  rename(unfinished, path);
  free(unfinished);
}
