#include "parameters.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parameters parameters;


struct figure {
  const char *key;
  size_t offset;
  int low, high;
};

#define FIGURE(name, low, high) {#name, offsetof(struct parameters, name), low, high}

static const struct figure figures[] = {
    FIGURE(model_version, 1, 1 << 20),
    FIGURE(cores, 1, MAX_CORES),
    FIGURE(out_of_order, 0, 1),
    FIGURE(issue_width, 1, 8),
    FIGURE(mispredict_cycles, 0, 100),
    FIGURE(fma_addend_latency, 1, 60),
    FIGURE(lone_load_bytes, 0, 64),
    FIGURE(fma_load_gap, 0, 7),
    FIGURE(to_vector_per_cycle, 1, 8),
    FIGURE(uop_width, 1, 16),
    FIGURE(rob, 1, MAX_ROB),
    FIGURE(queue, 1, MAX_QUEUE),
    FIGURE(l1d_bytes, 1024, 1 << 20),
    FIGURE(l1d_ways, 1, MAX_L1_WAYS),
    FIGURE(l2_bytes, 1024, 1 << 26),
    FIGURE(l2_ways, 1, MAX_L2_WAYS),
    FIGURE(l2_cycles, 1, 1000),
    FIGURE(dram_cycles, 1, 10000),
    FIGURE(dram_line_cycles, 1, 10000),
    FIGURE(l1i_bytes, 1024, 1 << 20),
    FIGURE(l1i_ways, 1, MAX_L1_WAYS),
    FIGURE(dtlb_entries, 1, MAX_DTLB),
    FIGURE(tlb_entries, 1, MAX_TLB),
    FIGURE(dtlb_miss_cycles, 0, 1000),
    FIGURE(page_walk_cycles, 0, 1000),
    FIGURE(split_cycles, 0, 100),
    FIGURE(prefetch_page_bytes, 0, 1 << 20),
    FIGURE(mshrs, 1, MAX_MSHRS),
    FIGURE(prefetch_streams, 0, MAX_STREAMS),
    FIGURE(prefetch_distance, 1, 64),
    FIGURE(prefetch_training, 2, 64),
    FIGURE(store_buffer_lines, 1, 64),
    FIGURE(write_stream_lines, 0, 1 << 20),
    FIGURE(fork_join_cycles, 0, 1 << 24),
};
enum { FIGURE_COUNT = sizeof figures / sizeof *figures };

static char seen_figure[FIGURE_COUNT];
static char seen_latency[CLASS_COUNT][2], seen_uops[CLASS_COUNT][2];

static int *figure_at(const struct figure *figure) {
  return (int *)((char *)&parameters + figure->offset);
}

/* "3:1,64:8B": a pipe mask, then cycles or bytes per cycle.  "-": no micro-operation. */
static int parse_uops(const char *text, struct class_timing *timing) {
  timing->uop_count = 0;
  if (!strcmp(text, "-")) return 1;
  for (;;) {
    char *end;
    long pipes = strtol(text, &end, 10);
    if (*end != ':' || pipes <= 0 || pipes >= 1 << MAX_PIPES) return 0;
    long amount = strtol(end + 1, &end, 10);
    if (amount < 1 || amount > 60 || timing->uop_count == MAX_UOPS) return 0;
    struct uop_rule *uop = &timing->uops[timing->uop_count++];
    uop->pipes = (uint8_t)pipes;
    uop->cycles = 1;
    uop->bytes_per_cycle = 0;
    if (*end == 'B') {
      uop->bytes_per_cycle = (uint8_t)amount;
      end++;
    } else {
      uop->cycles = (uint8_t)amount;
    }
    if (!*end) return 1;
    if (*end != ',') return 0;
    text = end + 1;
  }
}

/* "fma" or "fma.q" after "latency." or "uops.". */
static int parse_class(const char *name, int *class, int *quad) {
  size_t length = strcspn(name, ".");
  *quad = !strcmp(name + length, ".q");
  for (*class = 0; *class < CLASS_COUNT; ++*class)
    if (strlen(class_name(*class)) == length && !strncmp(class_name(*class), name, length))
      return !name[length] || *quad;
  return 0;
}

static int copy_name(char *out, const char *value) {
  if (strlen(value) > 31) return 0;
  strcpy(out, value);
  return 1;
}

static int set(const char *key, const char *value) {
  int class, quad;
  if (!strcmp(key, "board")) return copy_name(parameters.board, value);
  if (!strcmp(key, "core")) return copy_name(parameters.core, value);
  if (!strcmp(key, "clock_hz")) return (parameters.clock_hz = atoll(value)) > 0;
  if (!strcmp(key, "uops.writeback")) return parse_uops(value, &parameters.writeback);
  if (!strncmp(key, "queue.", 6)) {
    int pipe = atoi(key + 6), queue = atoi(value);
    if (pipe < 0 || pipe >= MAX_PIPES || queue < 0 || queue >= MAX_QUEUES) return 0;
    parameters.pipe_queue[pipe] = queue;
    return 1;
  }
  if (!strncmp(key, "latency.", 8)) {
    if (!parse_class(key + 8, &class, &quad)) return 0;
    int latency = atoi(value);
    if (latency < 1 || latency > 100) return 0;
    parameters.classes[class][quad].latency = latency;
    seen_latency[class][quad] = 1;
    return 1;
  }
  if (!strncmp(key, "uops.", 5)) {
    if (!parse_class(key + 5, &class, &quad)) return 0;
    seen_uops[class][quad] = 1;
    return parse_uops(value, &parameters.classes[class][quad]);
  }
  for (int i = 0; i < FIGURE_COUNT; i++) {
    if (strcmp(figures[i].key, key)) continue;
    char *end;
    long number = strtol(value, &end, 10);
    if (*end || number < figures[i].low || number > figures[i].high) return 0;
    *figure_at(&figures[i]) = (int)number;
    seen_figure[i] = 1;
    return 1;
  }
  return 0;
}

/* Classes without a 128-bit form use the one figure for both. */
static void fill_quads(void) {
  for (int class = 0; class < CLASS_COUNT; class++) {
    if (class_has_quad(class)) continue;
    parameters.classes[class][1] = parameters.classes[class][0];
    seen_latency[class][1] = seen_latency[class][0];
    seen_uops[class][1] = seen_uops[class][0];
  }
}

static int is_power_of_two(int value) { return value > 0 && !(value & (value - 1)); }

static int check_complete(const char *path) {
  for (int i = 0; i < FIGURE_COUNT; i++) {
    if (seen_figure[i]) continue;
    fprintf(stderr, "emulator: %s: missing figure \"%s\"\n", path, figures[i].key);
    return 0;
  }
  fill_quads();
  for (int class = 0; class < CLASS_UNKNOWN; class++)
    for (int quad = 0; quad < 2; quad++)
      if (!seen_latency[class][quad] || !seen_uops[class][quad]) {
        fprintf(stderr, "emulator: %s: missing latency or uops of %s%s\n", path,
                class_name(class), quad ? ".q" : "");
        return 0;
      }
  int l1_sets = parameters.l1d_bytes / LINE_BYTES / parameters.l1d_ways;
  int l1i_sets = parameters.l1i_bytes / LINE_BYTES / parameters.l1i_ways;
  int l2_sets = parameters.l2_bytes / LINE_BYTES / parameters.l2_ways;
  if (!is_power_of_two(l1_sets) || !is_power_of_two(l2_sets) ||
      !is_power_of_two(l1i_sets) || !parameters.clock_hz) {
    fprintf(stderr, "emulator: %s: cache sets must be a power of two, clock_hz given\n", path);
    return 0;
  }
  return 1;
}

int read_parameters(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) {
    fprintf(stderr, "emulator: cannot read the parameter file %s\n", path);
    return 0;
  }
  /* What the decoder does not know costs one cycle and no pipe; it is counted and reported. */
  parameters.classes[CLASS_UNKNOWN][0].latency = 1;
  parameters.classes[CLASS_UNKNOWN][1].latency = 1;
  char line[256], key[64], value[128];
  int good = 1;
  while (good && fgets(line, sizeof line, file)) {
    if (line[0] == '#' || line[0] == '\n') continue;
    good = sscanf(line, "%63s %127s", key, value) == 2 && set(key, value);
    if (!good) fprintf(stderr, "emulator: %s: unusable line: %s", path, line);
  }
  fclose(file);
  return good && check_complete(path);
}
