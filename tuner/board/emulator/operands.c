#include "operands.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const a32_aliases[] = {"sb", "sl", "fp", "ip", "sp", "lr", "pc"};
static const char *const shift_words[] = {"lsl",  "lsr",  "asr",  "ror",  "rrx",  "sxtb", "sxth",
                                          "sxtw", "sxtx", "uxtb", "uxth", "uxtw", "uxtx"};

static int set_general(struct operand *out, int number, int bytes) {
  out->registers[0] = (uint8_t)number;
  out->count = 1;
  out->bytes = (uint8_t)bytes;
  return 1;
}

static int set_vector(struct operand *out, int number, int count, int bytes) {
  for (int i = 0; i < count; i++) out->registers[i] = (uint8_t)(REGISTER_VECTOR + number + i);
  out->count = (uint8_t)count;
  out->is_vector = 1;
  out->bytes = (uint8_t)bytes;
  out->quad = bytes == 16;
  return 1;
}

static int bytes_of_letter(char letter) {
  switch (letter) {
    case 'b': return 1;
    case 'h': return 2;
    case 's': return 4;
    case 'd': return 8;
    case 'q': return 16;
    default: return 0;
  }
}

/* The number after a register's letter, or -1: "v12" -> 12. */
static int register_number(const char *name) {
  if (!isdigit((unsigned char)name[1])) return -1;
  char *end;
  long number = strtol(name + 1, &end, 10);
  return *end || number > 31 ? -1 : (int)number;
}

static int parse_a64(const char *name, const char *arrangement, struct operand *out) {
  if (!strcmp(name, "sp")) return set_general(out, REGISTER_A64_SP, 8);
  if (!strcmp(name, "wsp")) return set_general(out, REGISTER_A64_SP, 4);
  if (!strcmp(name, "lr")) return set_general(out, REGISTER_A64_LR, 8);
  if (!strcmp(name, "fp")) return set_general(out, 29, 8);
  if (!strcmp(name, "xzr") || !strcmp(name, "wzr")) {
    out->bytes = name[0] == 'x' ? 8 : 4;
    return 1;
  }
  int number = register_number(name);
  if (number < 0) return 0;
  if (name[0] == 'x') return set_general(out, number, 8);
  if (name[0] == 'w') return set_general(out, number, 4);
  if (name[0] == 'v') {
    /* "4s", "8h", "16b", "2d" are 128 bits wide; a bare letter names one element. */
    int lanes = atoi(arrangement);
    const char *letter = arrangement + strspn(arrangement, "0123456789");
    int element = bytes_of_letter(*letter);
    set_vector(out, number, 1, lanes ? lanes * element : 16);
    out->element = (uint8_t)element;
    if (!lanes && element) out->quad = 0;
    return 1;
  }
  int bytes = bytes_of_letter(name[0]);
  return bytes ? set_vector(out, number, 1, bytes) : 0;
}

static int parse_a32(const char *name, struct operand *out) {
  for (int i = 0; i < (int)(sizeof a32_aliases / sizeof *a32_aliases); i++)
    if (!strcmp(name, a32_aliases[i])) return set_general(out, 9 + i, 4);
  int number = register_number(name);
  if (number < 0) return 0;
  switch (name[0]) {
    case 'r': return number < 16 ? set_general(out, number, 4) : 0;
    case 'q': return number < 16 ? set_vector(out, 2 * number, 2, 16) : 0;
    case 'd': return set_vector(out, number, 1, 8);
    case 's': return set_vector(out, number / 2, 1, 4);
    default: return 0;
  }
}

static int is_shift_word(const char *word) {
  for (int i = 0; i < (int)(sizeof shift_words / sizeof *shift_words); i++)
    if (!strcmp(word, shift_words[i])) return 1;
  return 0;
}

/* Copies the run of letters and digits at *text and moves past it. */
static void take_word(const char **text, char *word, size_t size) {
  size_t length = 0;
  while (isalnum((unsigned char)**text) || **text == '_') {
    if (length + 1 < size) word[length++] = **text;
    ++*text;
  }
  word[length] = 0;
}

static void take_register(enum isa isa, const char **text, int in_memory, int in_list,
                          struct operands *out) {
  char word[24], arrangement[8] = "";
  take_word(text, word, sizeof word);
  if (**text == '.') {
    ++*text;
    take_word(text, arrangement, sizeof arrangement);
  }
  if (is_shift_word(word)) {
    out->shifted = 1;
    return;
  }
  struct operand operand;
  memset(&operand, 0, sizeof operand);
  int known = isa == ISA_A64 ? parse_a64(word, arrangement, &operand) : parse_a32(word, &operand);
  if (!known || out->count == MAX_OPERANDS) return;
  operand.in_memory = (uint8_t)in_memory;
  operand.in_list = (uint8_t)in_list;
  operand.after_memory = (uint8_t)(out->has_memory && !in_memory);
  if (operand.after_memory) out->post_index = 1;
  if (operand.is_vector) out->any_vector = 1;
  if (operand.quad) out->any_quad = 1;
  out->items[out->count++] = operand;
}

void scan_operands(enum isa isa, const char *text, struct operands *out) {
  memset(out, 0, sizeof *out);
  int in_memory = 0, in_list = 0;
  const char *at = text;
  while (*at) {
    char c = *at;
    if (c == '[' && at > text && (isalnum((unsigned char)at[-1]) || at[-1] == '}')) {
      /* An index, as in v0.s[1], d0[] or A64 {v0.s}[1]: the operands before it are single lanes. */
      for (int i = out->count - 1; i >= 0; i--) {
        out->items[i].lane = 1;
        if (at[-1] != '}' || !out->items[i].in_list) break;
      }
      while (*at && *at != ']') at++;
      if (*at) at++;
      continue;
    }
    if (isalpha((unsigned char)c)) {
      take_register(isa, &at, in_memory, in_list, out);
      continue;
    }
    if (c == '#') {
      if (out->has_memory && !in_memory) out->post_index = 1;
      while (*at && *at != ',' && *at != ']') at++;
      continue;
    }
    if (c == '[') in_memory = out->has_memory = 1;
    if (c == ']') in_memory = 0;
    if (c == '{') in_list = out->has_list = 1;
    if (c == '}') in_list = 0;
    if (c == '!') out->writeback = 1;
    if (c == ',') out->commas++;
    at++;
  }
}
