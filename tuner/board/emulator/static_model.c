#include "static_model.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "pipeline.h"

enum { MAX_ITERATIONS = 256, MAX_LINE = 256 };

static const struct pipeline *pipeline;
static void *core;

void static_select(const struct parameters *board) {
  parameters = *board;
  pipeline = parameters.out_of_order ? &outoforder_pipeline : &inorder_pipeline;
  free(core);
  core = pipeline->create();
  pipeline->select(core);
}

struct parameters *static_load(const char *parameter_path) {
  if (!read_parameters(parameter_path)) return NULL;
  struct parameters *board = malloc(sizeof *board);
  *board = parameters;
  return board;
}

static int count_lines(const char *text) {
  int count = 0;
  for (; *text; text++) count += *text == '\n';
  return count + 1;
}

static void decode_lines(enum isa isa, const char *text, struct block *block) {
  while (*text) {
    char line[MAX_LINE] = "";
    struct instruction decoded;
    size_t length = strcspn(text, "\n");
    memcpy(line, text, length < MAX_LINE ? length : MAX_LINE - 1);
    text += length + (text[length] == '\n');
    if (!line[strspn(line, " \t")]) continue;
    block->undecoded += !decode(isa, line, &decoded);
    time_instruction(&decoded, &block->instructions[block->count++]);
  }
}

/* Runs the loop until the pipeline is in a state it was in before. */
static void run_until_settled(const struct block *block, struct static_result *result) {
  static uint8_t states[MAX_ITERATIONS][MAX_PACKED];
  static size_t lengths[MAX_ITERATIONS];
  int64_t clocks[MAX_ITERATIONS];
  memory_event_count = 0;
  pipeline->reset(0);
  for (int now = 0; now < MAX_ITERATIONS; now++) {
    pipeline->run(block);
    pipeline->redirect(1, 0);
    clocks[now] = *pipeline_clock;
    lengths[now] = pipeline->pack(states[now]);
    for (int before = now - 1; lengths[now] && before >= 0; before--) {
      if (lengths[before] != lengths[now] || memcmp(states[before], states[now], lengths[now]))
        continue;
      result->cycles = clocks[now] - clocks[before];
      result->iterations = now - before;
      return;
    }
  }
  result->cycles = clocks[MAX_ITERATIONS - 1] - clocks[MAX_ITERATIONS / 2 - 1];
}

struct block *static_prepare(int is_a64, const char *lines) {
  struct block *block = calloc(1, sizeof *block);
  block->instructions = new_instructions(count_lines(lines));
  decode_lines(is_a64 ? ISA_A64 : ISA_A32, lines, block);
  return block;
}

void static_release(struct block *block) {
  free(block->instructions);
  free(block);
}

void static_time(const struct block *block, const int32_t *order, struct static_result *result) {
  struct block ordered = *block;
  ordered.instructions = new_instructions(block->count);
  for (int i = 0; i < block->count; i++) ordered.instructions[i] = block->instructions[order[i]];
  *result = (struct static_result){.instructions = block->count, .undecoded = block->undecoded};
  run_until_settled(&ordered, result);
  free(ordered.instructions);
}

int static_loop(int is_a64, const char *lines, struct static_result *result) {
  struct block *block = static_prepare(is_a64, lines);
  *result = (struct static_result){.instructions = block->count, .undecoded = block->undecoded};
  if (block->count) run_until_settled(block, result);
  static_release(block);
  return result->instructions > 0;
}

int static_operands(int is_a64, const char *line, struct static_operands *out) {
  struct instruction decoded;
  int known = decode(is_a64 ? ISA_A64 : ISA_A32, line, &decoded);
  memset(out, 0, sizeof *out);
  out->source_count = decoded.source_count;
  memcpy(out->sources, decoded.sources, decoded.source_count);
  out->destination_count = decoded.destination_count;
  memcpy(out->destinations, decoded.destinations, decoded.destination_count);
  if (decoded.writeback >= 0)
    out->destinations[out->destination_count++] = (uint8_t)decoded.writeback;
  return known;
}
