#include "static_limits.h"

#include <stdlib.h>
#include <string.h>

static enum isa isa_of(int is_a64) { return is_a64 ? ISA_A64 : ISA_A32; }

static int count_lines(const char *text) {
  int count = 1;
  for (; *text; text++) count += *text == '\n';
  return count;
}

int static_limits(int is_a64, const char *lines, struct limits *limits) {
  if (!*lines) return 0;
  struct block block;
  memset(&block, 0, sizeof block);
  block.has_branch = 1;
  block.instructions = new_instructions(count_lines(lines));
  char *copy = strdup(lines), *rest = copy;
  for (char *line; (line = strsep(&rest, "\n"));) {
    struct instruction decoded;
    decode(isa_of(is_a64), line, &decoded);
    time_instruction(&decoded, &block.instructions[block.count++]);
  }
  *limits = limits_of(&block);
  free(copy);
  free(block.instructions);
  return 1;
}

int static_knows(int is_a64, const char *line) {
  struct instruction decoded;
  return decode(isa_of(is_a64), line, &decoded);
}
