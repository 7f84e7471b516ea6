#include "addresses.h"

#include <stdlib.h>
#include <string.h>

#include "operands.h"

static const struct address unknown = {.base = NO_REGISTER, .index = NO_REGISTER};

void addresses_begin(struct tracked_registers *registers) {
  for (int i = 0; i < GENERAL_REGISTERS; i++)
    registers->of[i] = (struct address){.base = (int8_t)i, .index = NO_REGISTER};
}

/* The number after the first "#" of a text, with its sign. */
static int constant(const char *text, int64_t *value) {
  const char *at = strchr(text, '#');
  if (!at) return 0;
  char *end;
  *value = strtoll(at + 1, &end, 0);
  return end != at + 1;
}

static struct address plus_constant(struct address address, int64_t value) {
  address.offset += value;
  return address;
}

static struct address plus_register(struct address left, struct address right, int shift) {
  /* There is room for one index. */
  if (left.base == NO_REGISTER || left.index != NO_REGISTER) return unknown;
  if (right.base == NO_REGISTER || right.index != NO_REGISTER) return unknown;
  left.index = right.base;
  left.shift = (uint8_t)shift;
  left.offset += right.offset << shift;
  return left;
}

struct address addresses_from_before(const struct tracked_registers *before,
                                     struct address address) {
  if (address.base == NO_REGISTER) return unknown;
  struct address result = before->of[address.base];
  if (address.index != NO_REGISTER)
    result = plus_register(result, before->of[address.index], address.shift);
  return plus_constant(result, address.offset);
}

/* The amount of a shift of the last operand; -1 for anything but "lsl #n" or none. */
static int left_shift(const char *text, const struct operands *ops) {
  int64_t amount = 0;
  if (!ops->shifted) return 0;
  const char *at = strstr(text, "lsl");
  if (!at || !constant(at, &amount) || amount < 0 || amount > 12) return -1;
  return (int)amount;
}

static int is_plain_register(const struct operand *operand) {
  return !operand->is_vector && operand->count == 1 &&
         operand->registers[0] < GENERAL_REGISTERS;
}

/* 32-bit halves of A64 registers are no addresses. */
static int is_address_wide(enum isa isa, const struct operand *operand) {
  return is_plain_register(operand) && operand->bytes == (isa == ISA_A64 ? 8 : 4);
}

struct address addresses_operand(enum isa isa, const struct tracked_registers *registers,
                                 const char *text) {
  const char *bracket = strchr(text, '[');
  if (!bracket) return unknown;
  const char *space = text + strcspn(text, " \t");
  struct operands ops;
  scan_operands(isa, space, &ops);
  const struct operand *found[2] = {0, 0};
  int count = 0;
  for (int i = 0; i < ops.count; i++)
    if (ops.items[i].in_memory && count < 2) found[count++] = &ops.items[i];
  if (!count || !is_address_wide(isa, found[0])) return unknown;
  struct address address = registers->of[found[0]->registers[0]];
  if (address.base == NO_REGISTER) return unknown;
  if (count == 2) {
    int shift = left_shift(bracket, &ops);
    if (shift < 0 || strstr(bracket, "-") || !is_address_wide(isa, found[1])) return unknown;
    return plus_register(address, registers->of[found[1]->registers[0]], shift);
  }
  int64_t offset = 0;
  constant(bracket, &offset);
  return plus_constant(address, offset);
}

/* By how much a load or store moves its base register. */
static struct address after_writeback(enum isa isa, const struct tracked_registers *registers,
                                      const char *text, const struct instruction *decoded) {
  struct address base = registers->of[decoded->writeback];
  const char *bracket = strchr(text, '[');
  int64_t amount = 0;
  if (base.base == NO_REGISTER || !bracket) return unknown; /* ldm, push: rarely addresses */
  if (constant(bracket, &amount)) return plus_constant(base, amount);
  struct operands ops;
  scan_operands(isa, text + strcspn(text, " \t"), &ops);
  for (int i = 0; i < ops.count; i++)
    if (ops.items[i].after_memory && is_address_wide(isa, &ops.items[i]))
      return plus_register(base, registers->of[ops.items[i].registers[0]], 0);
  /* "vld1.32 {d0, d1}, [r1]!" */
  return ops.writeback ? plus_constant(base, decoded->bytes) : unknown;
}

static int is_named(const char *text, const char *name) {
  size_t length = strlen(name);
  if (strncmp(text, name, length)) return 0;
  if (text[length] == 's') length++; /* sets the flags, too */
  if (text[length] == 'w') length++;
  if (!strncmp(text + length, ".w", 2)) length += 2;
  return text[length] == ' ' || text[length] == '\t';
}

static struct address result(enum isa isa, const struct tracked_registers *registers,
                             const char *text) {
  const char *arguments = text + strcspn(text, " \t");
  struct operands ops;
  scan_operands(isa, arguments, &ops);
  if (!ops.count || !is_address_wide(isa, &ops.items[0])) return unknown;
  /* "add r0, #4" adds to its result. */
  const struct operand *left = ops.count > 1 ? &ops.items[1] : &ops.items[0];
  if (!is_address_wide(isa, left)) return unknown;
  struct address address = registers->of[left->registers[0]];
  if (is_named(text, "mov")) return ops.count == 2 && !ops.shifted ? address : unknown;
  int is_add = is_named(text, "add"), is_subtract = is_named(text, "sub");
  if ((!is_add && !is_subtract) || address.base == NO_REGISTER) return unknown;
  int64_t value = 0;
  if (ops.count <= 2 && !ops.shifted && constant(arguments, &value))
    return plus_constant(address, is_add ? value : -value);
  int shift = left_shift(arguments, &ops);
  if (ops.count != 3 || !is_add || shift < 0 || !is_address_wide(isa, &ops.items[2]))
    return unknown;
  return plus_register(address, registers->of[ops.items[2].registers[0]], shift);
}

void addresses_step(enum isa isa, struct tracked_registers *registers, const char *text,
                    const struct instruction *decoded) {
  text += strspn(text, " \t");
  struct address moved = unknown, written = unknown;
  if (decoded->writeback >= 0) moved = after_writeback(isa, registers, text, decoded);
  if (decoded->class == CLASS_ALU || decoded->class == CLASS_ALU_SHIFT)
    written = result(isa, registers, text);
  for (int i = 0; i < decoded->destination_count; i++)
    if (decoded->destinations[i] < GENERAL_REGISTERS)
      registers->of[decoded->destinations[i]] = written;
  if (decoded->writeback >= 0) registers->of[decoded->writeback] = moved;
}
