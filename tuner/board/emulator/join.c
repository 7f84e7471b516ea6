#include "join.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static void join_instructions(const struct block *first, const struct block *second,
                              struct block *joined) {
  joined->count = first->count + second->count;
  joined->instructions = new_instructions(joined->count);
  size_t size = sizeof *joined->instructions;
  memcpy(joined->instructions, first->instructions, (size_t)first->count * size);
  memcpy(joined->instructions + first->count, second->instructions, (size_t)second->count * size);
}

/* A prefetch of the second part counts if it could be followed from the start of the first one. */
static void join_prefetches(const struct block *first, const struct block *second,
                            struct block *joined) {
  size_t most = (size_t)(first->prefetch_count + second->prefetch_count);
  if (!most) return;
  joined->prefetches = calloc(most, sizeof *joined->prefetches);
  for (int i = 0; i < first->prefetch_count; i++)
    joined->prefetches[joined->prefetch_count++] = first->prefetches[i];
  for (int i = 0; i < second->prefetch_count; i++) {
    struct software_prefetch each = second->prefetches[i];
    if (addresses_from_before(first->registers_at_end, each.address).base == NO_REGISTER) continue;
    each.instruction += first->count;
    joined->prefetches[joined->prefetch_count++] = each;
  }
}

static void join_registers(const struct block *first, const struct block *second,
                           struct block *joined) {
  if (!second->registers_at_end) return;
  joined->registers_at_end = malloc(sizeof *joined->registers_at_end);
  for (int i = 0; i < GENERAL_REGISTERS; i++)
    joined->registers_at_end->of[i] =
        addresses_from_before(first->registers_at_end, second->registers_at_end->of[i]);
}

static void join_texts(const struct block *first, const struct block *second,
                       struct block *joined) {
  if (!first->text || !second->text) return;
  size_t length = strlen(first->text) + strlen(second->text) + 1;
  joined->text = malloc(length);
  snprintf(joined->text, length, "%s%s", first->text, second->text);
  report_keep_block(joined);
}

struct block *join_parts(struct block *first, const struct block *second) {
  if (first->has_branch || second->address != first->end) return 0;
  if (first->next_part == second) return first->joined;
  struct block *joined = calloc(1, sizeof *joined);
  joined->address = first->address;
  joined->end = second->end;
  joined->undecoded = first->undecoded + second->undecoded;
  joined->has_branch = second->has_branch;
  joined->is_conditional = second->is_conditional;
  join_instructions(first, second, joined);
  join_prefetches(first, second, joined);
  join_registers(first, second, joined);
  join_texts(first, second, joined);
  first->next_part = second;
  first->joined = joined;
  return joined;
}
