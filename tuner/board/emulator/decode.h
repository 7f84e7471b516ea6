/* From one line of disassembly (capstone's syntax) to what the timing model needs of it. */
#ifndef DECODE_H
#define DECODE_H

#include <stdint.h>

enum isa { ISA_A64, ISA_A32 }; /* ISA_A32 covers T32: same mnemonics and registers */

/* What costs time alike.  The names in the parameter file are those of class_name(). */
enum instruction_class {
  CLASS_NOP,
  CLASS_ALU,
  CLASS_ALU_SHIFT, /* with a shifted or extended operand */
  CLASS_MUL,
  CLASS_MUL64,
  CLASS_DIV,
  CLASS_BRANCH,
  CLASS_LOAD,
  CLASS_STORE,
  CLASS_VLOAD,
  CLASS_VLOAD_LANE, /* one element, to one lane or to all */
  CLASS_VSTORE,
  CLASS_FMA,
  CLASS_FADD, /* also compare, minimum, maximum, absolute value */
  CLASS_FMUL,
  CLASS_FDIV, /* also square root */
  CLASS_VMISC,
  CLASS_VMUL, /* integer multiply */
  CLASS_TO_VECTOR,
  CLASS_FROM_VECTOR,
  CLASS_CONVERT,
  CLASS_PREFETCH,
  CLASS_UNKNOWN,
  CLASS_COUNT
};

/* Registers: 0-31 general (A64: 31 is sp; A32: 0-15), then vectors, then the flags.
 * A64 has v0-v31; A32 has d0-d31, q registers being pairs of them and s registers halves. */
enum { REGISTER_VECTOR = 32, REGISTER_FLAGS = 64, REGISTER_COUNT = 65 };
enum { REGISTER_A64_SP = 31, REGISTER_A64_LR = 30, REGISTER_A32_SP = 13, REGISTER_A32_LR = 14 };
enum { REGISTER_A32_PC = 15 };

/* ldm and vldm move up to 32 registers; the base and the flags come on top. */
enum { MAX_REGISTERS = 40 };

struct instruction {
  uint8_t class;
  uint8_t quad;               /* 128-bit operation; for memory: 16 bytes or more */
  uint16_t bytes;             /* moved to or from memory */
  uint8_t source_count;
  uint8_t destination_count;
  int8_t accumulator;         /* sources[accumulator..] are the addend of an FMA; -1: none */
  int8_t writeback;           /* base register updated by a load or store; -1: none */
  uint8_t is_store;
  uint8_t is_branch;          /* may change the program counter */
  uint8_t is_conditional;     /* a branch that may fall through */
  uint8_t sources[MAX_REGISTERS];
  uint8_t destinations[MAX_REGISTERS];
};

/* Returns 0 and class CLASS_UNKNOWN when the mnemonic is not known. */
int decode(enum isa isa, const char *text, struct instruction *out);

const char *class_name(enum instruction_class class);

/* Vector classes take time by operand width, so they have a second figure for 128 bits. */
int class_has_quad(enum instruction_class class);

#endif
