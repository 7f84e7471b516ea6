#include "decode.h"

#include <string.h>

#include "mnemonics.h"
#include "operands.h"

static const char *const names[CLASS_COUNT] = {
    "nop",    "alu",        "alu_shift", "mul",  "mul64", "div",  "branch", "load",
    "store",  "vload",      "vload_lane", "vstore", "fma", "fadd", "fmul",   "fdiv",
    "vmisc",  "vmul",       "to_vector", "from_vector", "convert", "prefetch", "unknown"};

const char *class_name(enum instruction_class class) { return names[class]; }

int class_has_quad(enum instruction_class class) {
  return class >= CLASS_VLOAD && class <= CLASS_CONVERT && class != CLASS_FROM_VECTOR &&
         class != CLASS_VLOAD_LANE;
}

static void add_source(struct instruction *out, int reg) {
  if (out->source_count < MAX_REGISTERS) out->sources[out->source_count++] = (uint8_t)reg;
}

static void add_destination(struct instruction *out, int reg) {
  if (out->destination_count < MAX_REGISTERS)
    out->destinations[out->destination_count++] = (uint8_t)reg;
}

static void add_sources(struct instruction *out, const struct operand *operand) {
  for (int i = 0; i < operand->count; i++) add_source(out, operand->registers[i]);
}

static void add_destinations(struct instruction *out, const struct operand *operand) {
  for (int i = 0; i < operand->count; i++) add_destination(out, operand->registers[i]);
}

static int is_memory_class(int class) {
  return (class >= CLASS_LOAD && class <= CLASS_VSTORE) || class == CLASS_PREFETCH;
}

/* Bytes moved by a general register: the "b" or "h" after ldr, ldrs, ldur, ldx and so on. */
static int general_bytes(const char *name, const struct operand *operand) {
  size_t stem = strcspn(name, ".");
  if (!strncmp(name, "ldm", 3) || !strncmp(name, "stm", 3)) return operand->bytes;
  if (!strncmp(name, "ldrs", 4) || !strncmp(name, "ldurs", 5)) {
    char last = name[stem - 1];
    return last == 'b' ? 1 : last == 'h' ? 2 : 4;
  }
  if (stem > 3 && name[stem - 1] == 'b') return 1;
  if (stem > 3 && name[stem - 1] == 'h' && strncmp(name, "push", 4)) return 2;
  if (!strncmp(name, "ldpsw", 5)) return 4;
  return operand->bytes;
}

/* Bytes of one element in "vld1.32" or "{v0.s}[1]". */
static int lane_bytes(const char *printed, const struct operand *operand) {
  if (operand->element) return operand->element;
  const char *type = strchr(printed, '.');
  if (!type) return 4;
  return !strcmp(type, ".8") ? 1 : !strcmp(type, ".16") ? 2 : !strcmp(type, ".64") ? 8 : 4;
}

/* Which operands are the data of a load or store: the list, or the first one or two in order. */
static int is_data_operand(const struct operands *ops, const struct mnemonic *name, int index) {
  if (ops->has_list) return ops->items[index].in_list;
  int first = name->flags & STATUS_RESULT ? 1 : 0;
  int count = name->flags & PAIR ? 2 : 1;
  return index >= first && index < first + count && !ops->items[index].in_memory;
}

static void decode_memory(enum isa isa, const char *text, const char *printed,
                          const struct mnemonic *name, const struct operands *ops,
                          struct instruction *out) {
  int bytes = 0, single_lane = 0, base = -1;
  out->is_store = out->class == CLASS_STORE || out->class == CLASS_VSTORE;
  for (int i = 0; i < ops->count; i++) {
    const struct operand *operand = &ops->items[i];
    if (name->flags & STATUS_RESULT && i == 0) {
      add_destinations(out, operand);
    } else if (is_data_operand(ops, name, i) && out->class != CLASS_PREFETCH) {
      if (out->is_store) add_sources(out, operand);
      else add_destinations(out, operand);
      if (operand->lane) single_lane = 1;
      int one_element = operand->lane || name->flags & ALL_LANES;
      /* "{d0[], d1[]}": the same element goes to both. */
      if (one_element && bytes && strstr(text, "[]") && printed[3] == '1') continue;
      bytes += one_element            ? lane_bytes(printed, operand)
               : operand->is_vector ? operand->bytes
                                    : general_bytes(name->name, operand);
    } else {
      add_sources(out, operand);
      int is_base = operand->in_memory || (ops->has_list && !ops->has_memory);
      if (is_base && base < 0 && operand->count) base = operand->registers[0];
    }
  }
  if (single_lane && !out->is_store) {
    out->class = CLASS_VLOAD_LANE;
    /* One lane is merged into the old register; "d0[]" and ld1r replace all of it. */
    if (!strstr(text, "[]") && !(name->flags & ALL_LANES)) {
      int count = out->destination_count;
      for (int i = 0; i < count; i++) add_source(out, out->destinations[i]);
    }
  }
  if (name->flags & STACK) {
    base = isa == ISA_A64 ? REGISTER_A64_SP : REGISTER_A32_SP;
    add_source(out, base);
  }
  if (ops->writeback || ops->post_index || name->flags & STACK) out->writeback = (int8_t)base;
  if (!strcmp(name->name, "dc")) bytes = 64;
  out->bytes = (uint16_t)bytes;
  out->quad = bytes >= 16;
}

/* A move between the register files is a class of its own, whatever the name. */
static void refine_vector_class(const struct operands *ops, struct instruction *out) {
  int class = out->class;
  if (class == CLASS_FMA || class == CLASS_FDIV || class == CLASS_NOP || !ops->count) return;
  int general = 0;
  for (int i = 0; i < ops->count; i++) general |= !ops->items[i].is_vector;
  if (!ops->items[0].is_vector) out->class = CLASS_FROM_VECTOR;
  else if (general) out->class = CLASS_TO_VECTOR;
}

static void refine_general_class(const struct operands *ops, struct instruction *out) {
  int wide = ops->count && ops->items[0].bytes == 8;
  if (out->class == CLASS_MUL && wide && ops->count > 1 && ops->items[1].bytes == 8)
    out->class = CLASS_MUL64;
  if (out->class == CLASS_ALU && ops->shifted && ops->count > 1) out->class = CLASS_ALU_SHIFT;
}

static void decode_branch(enum isa isa, const struct mnemonic *name, int conditional,
                          const struct operands *ops, struct instruction *out) {
  out->is_branch = 1;
  out->is_conditional = (uint8_t)(conditional || name->flags & CONDITIONAL);
  for (int i = 0; i < ops->count; i++) add_sources(out, &ops->items[i]);
  if (isa == ISA_A64 && !strcmp(name->name, "ret") && !ops->count)
    add_source(out, REGISTER_A64_LR);
  if (conditional || name->flags & READS_FLAGS) add_source(out, REGISTER_FLAGS);
  if (name->flags & LINK)
    add_destination(out, isa == ISA_A64 ? REGISTER_A64_LR : REGISTER_A32_LR);
}

static void decode_operation(enum isa isa, const struct mnemonic *name, int conditional,
                             const struct operands *ops, struct instruction *out) {
  int results = name->flags & NO_RESULT ? 0 : name->flags & TWO_RESULTS ? 2 : 1;
  /* vmov r0, r1, d16 (A32) has two results as well. */
  if (out->class == CLASS_FROM_VECTOR && ops->count == 3 && isa == ISA_A32) results = 2;
  for (int i = 0; i < ops->count; i++) {
    if (i < results) add_destinations(out, &ops->items[i]);
    else add_sources(out, &ops->items[i]);
  }
  int accumulates = out->class == CLASS_FMA && name->flags & ADDEND_IS_RESULT;
  /* Two-operand forms "add r0, r1" and "add r0, #1", and a lane written into a register. */
  int two_operand = isa == ISA_A32 && !ops->any_vector && results == 1 && ops->commas == 1 &&
                    !(name->flags & ONE_OPERAND);
  /* "orr v0.4s, #1" changes the old value, "movi v0.4s, #1" does not. */
  const char *stem = name->name[0] == 'v' ? name->name + 1 : name->name;
  int merges_constant = ops->any_vector && ops->count == 1 &&
                        (!strcmp(stem, "orr") || !strcmp(stem, "bic"));
  int lane_result = results && ops->count && ops->items[0].lane && ops->items[0].is_vector;
  if (accumulates) out->accumulator = (int8_t)out->source_count;
  if (accumulates || conditional || two_operand || merges_constant || lane_result ||
      name->flags & READS_RESULT)
    for (int i = 0; i < results && i < ops->count; i++) add_sources(out, &ops->items[i]);
  if (name->flags & ADDEND_IS_LAST && out->source_count)
    out->accumulator = (int8_t)(out->source_count - 1);
  if (conditional || name->flags & READS_FLAGS) add_source(out, REGISTER_FLAGS);
  /* "vmrs apsr_nzcv, fpscr" names no register: it moves to the flags. */
  int to_flags = out->class == CLASS_FROM_VECTOR && !ops->count;
  if (to_flags || name->flags & SETS_FLAGS) add_destination(out, REGISTER_FLAGS);
}

int decode(enum isa isa, const char *text, struct instruction *out) {
  memset(out, 0, sizeof *out);
  out->class = CLASS_UNKNOWN;
  out->accumulator = out->writeback = -1;
  char printed[24] = "";
  text += strspn(text, " \t");
  size_t length = strcspn(text, " \t");
  if (length >= sizeof printed) return 0;
  memcpy(printed, text, length);

  struct mnemonic name;
  int conditional;
  if (!find_mnemonic(isa, printed, &name, &conditional)) return 0;
  struct operands ops;
  scan_operands(isa, text + length, &ops);
  /* A store of a pair or an address never makes it a vector access: only the data counts. */
  int vector = is_memory_class(name.plain) && !ops.has_list ? ops.count && ops.items[0].is_vector
                                                            : ops.any_vector;
  out->class = vector ? name.vector : name.plain;
  out->quad = (uint8_t)ops.any_quad;

  if (out->class == CLASS_BRANCH) {
    decode_branch(isa, &name, conditional, &ops, out);
    return 1;
  }
  if (is_memory_class(out->class)) {
    decode_memory(isa, text, printed, &name, &ops, out);
    if (conditional) add_source(out, REGISTER_FLAGS);
  } else {
    if (vector) refine_vector_class(&ops, out);
    else refine_general_class(&ops, out);
    decode_operation(isa, &name, conditional, &ops, out);
  }
  /* A32: whatever writes the program counter is a branch too ("pop {r4, pc}", "ldr pc, ..."). */
  for (int i = 0; isa == ISA_A32 && i < out->destination_count; i++) {
    if (out->destinations[i] != REGISTER_A32_PC) continue;
    out->is_branch = 1;
    out->is_conditional = (uint8_t)conditional;
  }
  return 1;
}
