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
static int want_report;
static const char *profile_path;
/* The guest thread whose region is timed.  Libraries keep threads that wake now and then. */
static unsigned timed_vcpu;

/* QEMU's functions that read it are calls into another library, and its values are few. */
static struct {
  qemu_plugin_meminfo_t info;
  int is_known, is_store;
  unsigned last_byte;
} kinds[2];

static int kind_of(qemu_plugin_meminfo_t info) {
  for (int i = 0; i < 2; i++)
    if (kinds[i].is_known && kinds[i].info == info) return i;
  int is_store = qemu_plugin_mem_is_store(info);
  kinds[is_store].info = info;
  kinds[is_store].is_known = 1;
  kinds[is_store].is_store = is_store;
  kinds[is_store].last_byte = (1u << qemu_plugin_mem_size_shift(info)) - 1;
  return is_store;
}

static void on_memory(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address,
                      void *instruction) {
  if (!region_active || vcpu != timed_vcpu) return;
  counters.l1d_accesses++;
  int index = (int)(intptr_t)instruction, kind = kind_of(info), is_store = kinds[kind].is_store;
  memory_access(address, index, is_store);
  if (address % sizeof(uint64_t) == 0) return;
  uint64_t last = address + kinds[kind].last_byte;
  if (address / LINE_BYTES == last / LINE_BYTES) return;
  memory_delay_access(index, parameters.split_cycles);
  memory_access(last, index, is_store);
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

static int accesses_memory(const struct instruction *decoded) {
  return (decoded->class >= CLASS_LOAD && decoded->class <= CLASS_VSTORE) ||
         decoded->class == CLASS_UNKNOWN;
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

/* QEMU calls back for loads and stores only, so a prefetch's address must be worked out. */
static void find_prefetches(struct block *block, const struct qemu_plugin_tb *tb) {
  struct tracked_registers registers;
  addresses_begin(&registers);
  for (int i = 0; i < block->count; i++) {
    struct instruction decoded;
    char *text = qemu_plugin_insn_disas(qemu_plugin_tb_get_insn(tb, (size_t)i));
    if (!text) continue;
    decode(isa, text, &decoded);
    if (decoded.class == CLASS_PREFETCH)
      keep_prefetch(block, i, addresses_operand(isa, &registers, text));
    addresses_step(isa, &registers, text, &decoded);
    free(text);
  }
}

static void disassemble(struct block *block, const struct qemu_plugin_insn *insn,
                        struct instruction *decoded) {
  char *text = qemu_plugin_insn_disas(insn);
  if (decode(isa, text ? text : "", decoded)) {
    decode_cache_keep(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn), decoded);
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
  if (profile_path || !decode_cache_find(isa, qemu_plugin_insn_data(insn), size, &decoded))
    disassemble(block, insn, &decoded);
  *has_prefetch |= decoded.class == CLASS_PREFETCH;
  time_instruction(&decoded, &block->instructions[index]);
  if (accesses_memory(&decoded))
    qemu_plugin_register_vcpu_mem_cb(insn, on_memory, QEMU_PLUGIN_CB_NO_REGS,
                                     QEMU_PLUGIN_MEM_RW, (void *)(intptr_t)index);
  if (index + 1 == block->count) {
    block->end = qemu_plugin_insn_vaddr(insn) + size;
    block->has_branch = decoded.is_branch;
    block->is_conditional = decoded.is_conditional;
  }
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  (void)id;
  int has_prefetch = 0;
  struct block *block = calloc(1, sizeof *block);
  block->address = qemu_plugin_tb_vaddr(tb);
  block->count = (int)qemu_plugin_tb_n_insns(tb);
  block->instructions = new_instructions(block->count);
  for (int i = 0; i < block->count; i++)
    translate_instruction(block, i, qemu_plugin_tb_get_insn(tb, (size_t)i), &has_prefetch);
  if (has_prefetch) find_prefetches(block, tb);
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
