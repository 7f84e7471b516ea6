/* The decoder and the core models on every line of stdin and on its beginnings, for sanitizers.
 *
 *   sanitized PARAMETERS 0|1 < disassembly      (1: A64) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addresses.h"
#include "compute.h"
#include "decode.h"
#include "decode_cache.h"
#include "replaced.h"
#include "static_model.h"

enum { MAX_TEXT = 256, LOOP_LINES = 24 };

/* A copy that ends where the text ends: one byte further is an error. */
static void decode_copy(enum isa isa, const char *text, size_t length) {
  char *copy = malloc(length + 1);
  struct instruction decoded, found;
  struct tracked_registers registers;
  memcpy(copy, text, length);
  copy[length] = 0;
  decode(isa, copy, &decoded);
  addresses_begin(&registers);
  addresses_operand(isa, &registers, copy);
  addresses_step(isa, &registers, copy, &decoded);
  if (length >= 4) {
    enum encoding_set set = isa == ISA_A64 ? SET_A64 : SET_A32_OR_T32;
    decode_cache_keep(set, copy, 4, &decoded);
    decode_cache_find(set, copy, 4, &found);
  }
  free(copy);
}

/* Code of random words: what is replaced, computed on random registers. */
static void compute_code(enum isa isa) {
  enum { WORDS = 4096, REGISTERS = 32 };
  uint32_t *code = malloc(sizeof *code * WORDS), state = 1, encoding;
  char *vectors = calloc(REGISTERS, 16), text[MAX_OPERATION_TEXT];
  for (int i = 0; i < WORDS; i++) code[i] = state = state * 1664525u + 1013904223u;
  for (int i = 0; i < WORDS; i += 2) /* fmla by element and vmla.f32, with any registers */
    code[i] = isa == ISA_A64 ? 0x4f801000u | (code[i] & 0x3f0bff) : 0xf2000d50u | (code[i] & 0x4eeeae);
  replaced_code(isa, 4096, code, sizeof *code * WORDS);
  for (int i = 0; i < WORDS; i++) {
    struct operation each;
    if (!replaced_operation(isa, 4096 + 4u * (unsigned)i, &code[i], 4, &each, &encoding)) continue;
    operation_text(&each, text);
    memcpy(vectors + 16 * (i % REGISTERS), &encoding, sizeof encoding);
    struct placed_operation placed = {
        .kind = each.kind, .by_element = each.by_element, .is_last = 1,
        .d = (uint16_t)(16 * each.d), .n = (uint16_t)(16 * each.n),
        .m = (uint16_t)(16 * each.m + 4 * each.element)};
    compute_on(isa == ISA_A32)(vectors, &placed);
  }
  replaced_forget(4096, 4);
  free(vectors);
  free(code);
}

int main(int count, char **arguments) {
  struct parameters *board = count == 3 ? static_load(arguments[1]) : NULL;
  if (!board) return 2;
  static_select(board);
  int is_a64 = atoi(arguments[2]), lines = 0;
  char text[MAX_TEXT], loop[LOOP_LINES * MAX_TEXT] = "";
  struct static_result result;
  compute_code(is_a64 ? ISA_A64 : ISA_A32);
  while (fgets(text, sizeof text, stdin)) {
    text[strcspn(text, "\n")] = 0;
    for (size_t length = 0; length <= strlen(text); length++)
      decode_copy(is_a64 ? ISA_A64 : ISA_A32, text, length);
    strcat(strcat(loop, text), "\n");
    if (++lines % LOOP_LINES) continue;
    static_loop(is_a64, loop, &result);
    loop[0] = 0;
  }
  printf("%d\n", lines);
  free(board);
  return 0;
}
