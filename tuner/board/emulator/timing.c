/* Binds a decoded instruction to the figures of the modelled core. */
#include <stdlib.h>
#include <string.h>

#include "block.h"

static void append_uops(const struct class_timing *timing, int bytes,
                        struct timed_instruction *out) {
  for (int i = 0; i < timing->uop_count; i++) {
    const struct uop_rule *rule = &timing->uops[i];
    int cycles = rule->cycles;
    if (rule->bytes_per_cycle) cycles = (bytes + rule->bytes_per_cycle - 1) / rule->bytes_per_cycle;
    /* Busy pipes are kept as 64-cycle bit maps. */
    if (cycles < 1) cycles = 1;
    if (cycles > 60) cycles = 60;
    out->uops[out->uop_count].pipes = rule->pipes;
    out->uops[out->uop_count++].cycles = (uint8_t)cycles;
  }
}

struct timed_instruction *new_instructions(int count) {
  size_t size = (size_t)count * sizeof(struct timed_instruction);
  struct timed_instruction *all = aligned_alloc(sizeof *all, size);
  memset(all, 0, size);
  return all;
}

static void keep_registers(const struct instruction *decoded, struct timed_instruction *out) {
  int count = 0;
  for (int i = 0; i < decoded->source_count && count < TIMED_REGISTERS; i++) {
    int is_addend = decoded->accumulator >= 0 && i >= decoded->accumulator;
    out->registers[count++] = (uint8_t)(decoded->sources[i] + (is_addend ? ADDEND : 0));
  }
  out->source_count = out->first_destination = (uint8_t)count;
  for (int i = 0; i < decoded->destination_count && count < TIMED_REGISTERS; i++)
    out->registers[count++] = decoded->destinations[i];
  out->destination_count = (uint8_t)(count - out->source_count);
}

void time_instruction(const struct instruction *decoded, struct timed_instruction *out) {
  const struct class_timing *timing = &parameters.classes[decoded->class][decoded->quad];
  memset(out, 0, sizeof *out);
  out->class = decoded->class;
  out->writeback = decoded->writeback;
  out->is_load = decoded->class == CLASS_LOAD || decoded->class == CLASS_VLOAD;
  out->is_store = decoded->is_store;
  out->latency = (uint8_t)timing->latency;
  out->addend_latency = out->latency;
  if (decoded->class == CLASS_FMA && parameters.fma_addend_latency < timing->latency)
    out->addend_latency = (uint8_t)parameters.fma_addend_latency;
  keep_registers(decoded, out);
  append_uops(timing, decoded->bytes, out);
  if (decoded->writeback >= 0) append_uops(&parameters.writeback, 0, out);
  out->is_vector_load = decoded->class == CLASS_VLOAD || decoded->class == CLASS_VLOAD_LANE;
  int lone = parameters.lone_load_bytes;
  if (decoded->class == CLASS_VLOAD && lone && decoded->bytes >= lone && out->uop_count)
    out->issues_alone = out->uops[0].cycles;
}
