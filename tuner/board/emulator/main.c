/* The plugin's entry and QEMU's callbacks.
 *
 *   qemu-arm -plugin libemulator.so,params=FILE[,memo=off][,report=on][,profile=FILE] program
 *
 * One guest thread counts, the one that began the timed region: the server runs the tasks of a
 * parallel loop one after the other (guest_calls.h), so no callback needs a lock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counters.h"
#include "decode_cache.h"
#include "fetch.h"
#include "guest_calls.h"
#include "guest_registers.h"
#include "memo.h"
#include "memory.h"
#include "qemu_plugin.h"
#include "region.h"
#include "report.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv);

static enum isa isa;
static enum encoding_set encodings; /* of the block in translation */
static int want_report;
static const char *profile_path;
/* The guest thread whose region is timed.  Libraries keep threads that wake now and then. */
static unsigned timed_vcpu;

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

static void on_system_call(qemu_plugin_id_t id, unsigned vcpu, int64_t number, uint64_t a1,
                           uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                           uint64_t a7, uint64_t a8) {
  (void)id, (void)a7, (void)a8;
  if (number != GUEST_CALL_NUMBER) return;
  if (a1 == GUEST_BEGIN) timed_vcpu = vcpu;
  guest_registers_find(isa, number, (const uint64_t[]){a1, a2, a3, a4, a5, a6});
  region_guest_call(isa == ISA_A64, a1, a2, a3);
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

static void disassemble(struct block *block, const struct qemu_plugin_insn *insn,
                        struct instruction *decoded) {
  char *text = qemu_plugin_insn_disas(insn);
  if (decode(isa, text ? text : "", decoded)) {
    decode_cache_keep(encodings, qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn), decoded);
  } else {
    block->undecoded++;
    report_undecoded(text ? text : "?");
  }
  if (profile_path) append_text(block, text ? text : "?");
  free(text);
}

static void translate_instruction(struct block *block, int index, struct qemu_plugin_insn *insn,
                                  int *has_prefetch) {
  struct instruction decoded;
  size_t size = qemu_plugin_insn_size(insn);
  if (profile_path || !decode_cache_find(encodings, qemu_plugin_insn_data(insn), size, &decoded))
    disassemble(block, insn, &decoded);
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

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  (void)id;
  int has_prefetch = 0;
  struct block *block = calloc(1, sizeof *block);
  block->address = qemu_plugin_tb_vaddr(tb);
  block->count = (int)qemu_plugin_tb_n_insns(tb);
  block->instructions = new_instructions(block->count);
  encodings = encodings_of(tb);
  for (int i = 0; i < block->count; i++)
    translate_instruction(block, i, qemu_plugin_tb_get_insn(tb, (size_t)i), &has_prefetch);
  if (has_prefetch || !block->has_branch) follow_addresses(block, tb);
  if (profile_path) report_keep_block(block);
  qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void on_exit_of_guest(qemu_plugin_id_t id, void *unused) {
  (void)id, (void)unused;
  if (want_report) report_print_undecoded();
  if (profile_path) report_write_profile(profile_path);
}

/* Callbacks may change their meaning from one version to the next. QEMU itself refuses a plugin that
 * is older than what it still supports. */
static int is_known_interface(const qemu_info_t *info) {
  if (info->version.cur == QEMU_PLUGIN_VERSION) return 1;
  fprintf(stderr, "emulator: this QEMU has version %d of the plugin interface, tried is version %d\n",
          info->version.cur, QEMU_PLUGIN_VERSION);
  return 0;
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  if (!is_known_interface(info)) return -1;
  const char *parameter_path = 0;
  int use_memo = 1;
  for (int i = 0; i < argc; i++) {
    if (!strncmp(argv[i], "params=", 7)) parameter_path = argv[i] + 7;
    else if (!strncmp(argv[i], "profile=", 8)) profile_path = strdup(argv[i] + 8);
    else if (!strcmp(argv[i], "memo=off")) use_memo = 0;
    else if (!strcmp(argv[i], "memo=on")) use_memo = 1;
    else if (!strcmp(argv[i], "report=on")) want_report = 1;
    else if (!strcmp(argv[i], "report=off")) want_report = 0;
    else {
      fprintf(stderr, "emulator: unknown option %s\n", argv[i]);
      return -1;
    }
  }
  if (!parameter_path) {
    fprintf(stderr, "emulator: option params=FILE is missing\n");
    return -1;
  }
  if (!read_parameters(parameter_path)) return -1;
  isa = strcmp(info->target_name, "aarch64") ? ISA_A32 : ISA_A64;
  const struct pipeline *pipeline =
      parameters.out_of_order ? &outoforder_pipeline : &inorder_pipeline;
  memory_create();
  fetch_create();
  memo_create(pipeline, use_memo);
  region_create(pipeline);
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
  qemu_plugin_register_atexit_cb(id, on_exit_of_guest, 0);
  return 0;
}
