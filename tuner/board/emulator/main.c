/* The plugin's entry, its options, and the guest's calls.
 *
 *   qemu-arm -plugin libemulator.so,params=FILE[,arithmetic=qemu|none][,memo=off][,report=on]
 *     [,profile=FILE] program
 *
 * One guest thread counts, the one that began the timed region: the server runs the tasks of a
 * parallel loop one after the other (guest_calls.h), so no callback needs a lock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetch.h"
#include "guest_calls.h"
#include "guest_code.h"
#include "guest_registers.h"
#include "guest_vectors.h"
#include "memo.h"
#include "memory.h"
#include "qemu_plugin.h"
#include "region.h"
#include "report.h"
#include "runs.h"
#include "translate.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv);

static enum isa isa;
static int want_report;
static int leave_arithmetic; /* to QEMU */
static const char *profile_path;

static void on_system_call(qemu_plugin_id_t id, unsigned vcpu, int64_t number, uint64_t a1,
                           uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                           uint64_t a7, uint64_t a8) {
  (void)id, (void)a7, (void)a8;
  if (number != GUEST_CALL_NUMBER) return;
  if (a1 == GUEST_BEGIN) timed_vcpu = vcpu;
  guest_registers_find(isa, number, (const uint64_t[]){a1, a2, a3, a4, a5, a6});
  if (a1 < GUEST_VECTORS) region_guest_call(isa == ISA_A64, a1, a2, a3);
  else if (!leave_arithmetic) guest_code_call(isa, a1, a2, a3);
}

static void on_thread(qemu_plugin_id_t id, unsigned vcpu) {
  (void)id;
  guest_vectors_forget(vcpu);
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
    else if (!strcmp(argv[i], "arithmetic=host")) leave_arithmetic = runs_left_out = 0;
    else if (!strcmp(argv[i], "arithmetic=qemu")) leave_arithmetic = 1;
    else if (!strcmp(argv[i], "arithmetic=none")) runs_left_out = 1;
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
  translate_create(isa, profile_path != 0);
  qemu_plugin_register_vcpu_init_cb(id, on_thread);
  qemu_plugin_register_vcpu_tb_trans_cb(id, translate_block);
  qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
  qemu_plugin_register_atexit_cb(id, on_exit_of_guest, 0);
  return 0;
}
