#include "translate.h"

#include <stdlib.h>
#include <string.h>

#include "block.h"
#include "decode_cache.h"
#include "region.h"
#include "replaced.h"
#include "report.h"
#include "runs.h"

unsigned timed_vcpu;

static enum isa isa;
static int keep_texts;
static enum encoding_set encodings; /* of the block in translation */

void translate_create(enum isa guest_isa, int with_texts) {
  isa = guest_isa;
  keep_texts = with_texts;
  runs_create(isa);
}

static inline void on_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address,
                             void *instruction, int is_store) {
  if (!region_active || vcpu != timed_vcpu) return;
  int index = (int)(intptr_t)instruction;
  region_access(address, index, is_store);
  if (address % sizeof(uint64_t) == 0) return;
  uint64_t last = address + (1u << qemu_plugin_mem_size_shift(info)) - 1;
  if (address / LINE_BYTES != last / LINE_BYTES) region_access_rest(last, index, is_store);
}

static void on_load(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address,
                    void *instruction) {
  on_access(vcpu, info, address, instruction, 0);
}

static void on_store(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address,
                     void *instruction) {
  on_access(vcpu, info, address, instruction, 1);
}

static void on_unknown_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address,
                              void *instruction) {
  on_access(vcpu, info, address, instruction, qemu_plugin_mem_is_store(info));
}

static void on_block(unsigned vcpu, void *block) {
  if (region_active && vcpu == timed_vcpu) region_block(block);
}

/* Not left to QEMU: asked for loads only, version 7.2 calls back for stores. */
static qemu_plugin_vcpu_mem_cb_t access_callback(const struct instruction *decoded) {
  if (decoded->class == CLASS_UNKNOWN) return on_unknown_access;
  if (decoded->class < CLASS_LOAD || decoded->class > CLASS_VSTORE) return 0;
  return decoded->is_store ? on_store : on_load;
}

static void append_text(struct block *block, const char *text) {
  size_t old = block->text ? strlen(block->text) : 0, added = strlen(text);
  block->text = realloc(block->text, old + added + 4);
  memcpy(block->text + old, "  ", 2);
  memcpy(block->text + old + 2, text, added);
  memcpy(block->text + old + 2 + added, "\n", 2);
}

static void keep_prefetch(struct block *block, int index, struct address address) {
  if (address.base == NO_REGISTER) return;
  size_t count = (size_t)block->prefetch_count + 1;
  block->prefetches = realloc(block->prefetches, count * sizeof *block->prefetches);
  block->prefetches[block->prefetch_count++] =
      (struct software_prefetch){.instruction = index, .address = address};
}

/* Whether an instruction may write a register that addresses are made of. */
static int writes_general(const struct instruction *decoded) {
  for (int i = 0; i < decoded->destination_count; i++)
    if (decoded->destinations[i] < GENERAL_REGISTERS) return 1;
  return decoded->writeback >= 0;
}

static void follow_instruction(struct block *block, int index, const struct qemu_plugin_insn *insn,
                               struct tracked_registers *registers) {
  struct instruction decoded;
  size_t size = qemu_plugin_insn_size(insn);
  if (decode_cache_find(encodings, qemu_plugin_insn_data(insn), size, &decoded) &&
      decoded.class != CLASS_PREFETCH && !writes_general(&decoded))
    return;
  char *text = qemu_plugin_insn_disas(insn);
  if (!text) return;
  decode(isa, text, &decoded);
  if (decoded.class == CLASS_PREFETCH)
    keep_prefetch(block, index, addresses_operand(isa, registers, text));
  addresses_step(isa, registers, text, &decoded);
  free(text);
}

/* QEMU calls back for loads and stores only, so a prefetch's address must be worked out. */
static void follow_addresses(struct block *block, const struct qemu_plugin_tb *tb) {
  struct tracked_registers registers;
  addresses_begin(&registers);
  for (int i = 0; i < block->count; i++)
    follow_instruction(block, i, qemu_plugin_tb_get_insn(tb, (size_t)i), &registers);
  if (block->has_branch) return;
  block->registers_at_end = malloc(sizeof registers);
  *block->registers_at_end = registers;
}

static void decode_text(struct block *block, const char *text, const void *encoding, size_t size,
                        struct instruction *decoded) {
  if (decode(isa, text, decoded)) {
    decode_cache_keep(encodings, encoding, size, decoded);
  } else {
    block->undecoded++;
    report_undecoded(text);
  }
  if (keep_texts) append_text(block, text);
}

/* One that the host computes is what it was to the model, and nothing to QEMU. */
static void translate_replaced(struct block *block, struct qemu_plugin_insn *insn,
                               const struct operation *operation, uint32_t encoding,
                               struct pending_run *run, struct instruction *decoded) {
  char text[MAX_OPERATION_TEXT];
  if (keep_texts || !decode_cache_find(encodings, &encoding, sizeof encoding, decoded)) {
    operation_text(operation, text);
    decode_text(block, text, &encoding, sizeof encoding, decoded);
  }
  run_append(run, insn, operation);
}

static void translate_as_it_is(struct block *block, struct qemu_plugin_insn *insn,
                               struct pending_run *run, struct instruction *decoded) {
  const void *encoding = qemu_plugin_insn_data(insn);
  size_t size = qemu_plugin_insn_size(insn);
  if (keep_texts || !decode_cache_find(encodings, encoding, size, decoded)) {
    char *text = qemu_plugin_insn_disas(insn);
    decode_text(block, text ? text : "?", encoding, size, decoded);
    free(text);
  }
  run_pass(run, decoded);
}

static void translate_instruction(struct block *block, int index, struct qemu_plugin_insn *insn,
                                  struct pending_run *run, int *has_prefetch) {
  struct instruction decoded;
  struct operation operation;
  uint32_t encoding;
  size_t size = qemu_plugin_insn_size(insn);
  if (replaced_operation(isa, qemu_plugin_insn_vaddr(insn), qemu_plugin_insn_data(insn), size,
                         &operation, &encoding))
    translate_replaced(block, insn, &operation, encoding, run, &decoded);
  else translate_as_it_is(block, insn, run, &decoded);
  *has_prefetch |= decoded.class == CLASS_PREFETCH;
  time_instruction(&decoded, &block->instructions[index]);
  qemu_plugin_vcpu_mem_cb_t on_its_access = access_callback(&decoded);
  if (on_its_access)
    qemu_plugin_register_vcpu_mem_cb(insn, on_its_access, QEMU_PLUGIN_CB_NO_REGS,
                                     QEMU_PLUGIN_MEM_RW, (void *)(intptr_t)index);
  if (index + 1 == block->count) {
    block->end = qemu_plugin_insn_vaddr(insn) + size;
    block->has_branch = decoded.is_branch;
    block->is_conditional = decoded.is_conditional;
  }
}

static enum encoding_set encodings_of(const struct qemu_plugin_tb *tb) {
  if (isa == ISA_A64) return SET_A64;
  for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++)
    if (qemu_plugin_insn_size(qemu_plugin_tb_get_insn(tb, i)) == 2) return SET_T32;
  return SET_A32_OR_T32;
}

void translate_block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  (void)id;
  int has_prefetch = 0;
  struct pending_run run = {0};
  struct block *block = calloc(1, sizeof *block);
  block->address = qemu_plugin_tb_vaddr(tb);
  block->count = (int)qemu_plugin_tb_n_insns(tb);
  block->instructions = new_instructions(block->count);
  encodings = encodings_of(tb);
  for (int i = 0; i < block->count; i++)
    translate_instruction(block, i, qemu_plugin_tb_get_insn(tb, (size_t)i), &run, &has_prefetch);
  run_end(&run);
  if (has_prefetch || !block->has_branch) follow_addresses(block, tb);
  if (keep_texts) report_keep_block(block);
  qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, block);
}

