/* Replaced instructions of a block that the host computes in one call: callbacks cost more than the
 * arithmetic. One waits for the next as long as nothing between them touches its registers. */
#ifndef RUNS_H
#define RUNS_H

#include "compute.h"
#include "decode.h"
#include "qemu_plugin.h"

struct pending_run {
  struct placed_operation *operations;
  int count, capacity;
  uint64_t read, written;       /* vector registers, as bits */
  struct qemu_plugin_insn *last; /* where it is due */
};

/* Nothing is computed: results are wrong, times are not, unless a result decides a branch. */
extern int runs_left_out;

void runs_create(enum isa isa);

/* The next instruction of the block is a replaced one. */
void run_append(struct pending_run *run, struct qemu_plugin_insn *insn,
                const struct operation *operation);

/* It is another one: the run ends before it if it has to. */
void run_pass(struct pending_run *run, const struct instruction *decoded);

/* The block ends. */
void run_end(struct pending_run *run);

#endif
