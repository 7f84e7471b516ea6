/* Binds a decoded instruction to the figures of the modelled core. */
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

void time_instruction(const struct instruction *decoded, struct timed_instruction *out) {
  const struct class_timing *timing = &parameters.classes[decoded->class][decoded->quad];
  memset(out, 0, sizeof *out);
  out->class = decoded->class;
  out->source_count = decoded->source_count;
  out->destination_count = decoded->destination_count;
  out->accumulator = decoded->accumulator;
  out->writeback = decoded->writeback;
  out->is_load = decoded->class == CLASS_LOAD || decoded->class == CLASS_VLOAD;
  out->is_store = decoded->is_store;
  out->latency = (uint8_t)timing->latency;
  out->addend_latency = out->latency;
  if (decoded->class == CLASS_FMA && parameters.fma_addend_latency < timing->latency)
    out->addend_latency = (uint8_t)parameters.fma_addend_latency;
  memcpy(out->sources, decoded->sources, sizeof out->sources);
  memcpy(out->destinations, decoded->destinations, sizeof out->destinations);
  append_uops(timing, decoded->bytes, out);
  if (decoded->writeback >= 0) append_uops(&parameters.writeback, 0, out);
  out->is_vector_load = decoded->class == CLASS_VLOAD || decoded->class == CLASS_VLOAD_LANE;
  int lone = parameters.lone_load_bytes;
  if (decoded->class == CLASS_VLOAD && lone && decoded->bytes >= lone && out->uop_count)
    out->issues_alone = out->uops[0].cycles;
}
