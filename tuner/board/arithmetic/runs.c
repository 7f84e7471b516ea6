#include "runs.h"

#include <stdlib.h>

#include "guest_vectors.h"

int runs_left_out;

static compute_function compute;

void runs_create(enum isa isa) { compute = compute_on(isa == ISA_A32); }

static void on_run(unsigned vcpu, void *first) { compute(guest_vectors(vcpu), first); }

/* As decode.h numbers them: 64-bit registers on A32. */
static uint64_t vector_bits(const struct operation *operation, int vector) {
  return operation->is_a32 ? (uint64_t)3 << 2 * vector : (uint64_t)1 << vector;
}

void run_append(struct pending_run *run, struct qemu_plugin_insn *insn,
                const struct operation *operation) {
  if (runs_left_out) return;
  if (run->count == run->capacity) {
    run->capacity = run->capacity ? 2 * run->capacity : 4;
    run->operations = realloc(run->operations, (size_t)run->capacity * sizeof *run->operations);
  }
  run->operations[run->count++] = (struct placed_operation){
      .kind = operation->kind,
      .by_element = operation->by_element,
      .d = (uint16_t)(operation->d * guest_vector_stride),
      .n = (uint16_t)(operation->n * guest_vector_stride),
      .m = (uint16_t)(operation->m * guest_vector_stride + 4 * operation->element)};
  run->written |= vector_bits(operation, operation->d);
  run->read |= vector_bits(operation, operation->n) | vector_bits(operation, operation->m);
  run->last = insn;
}

/* Instructions of which decode() names every vector register they touch. */
static int is_plain(const struct instruction *decoded) {
  if (decoded->is_branch) return 0;
  if (decoded->class >= CLASS_LOAD && decoded->class <= CLASS_VSTORE) return 1;
  return decoded->class <= CLASS_ALU_SHIFT || decoded->class == CLASS_PREFETCH;
}

static uint64_t vectors_in(const uint8_t *registers, int count) {
  uint64_t found = 0;
  for (int i = 0; i < count; i++)
    if (registers[i] >= REGISTER_VECTOR && registers[i] < REGISTER_FLAGS)
      found |= (uint64_t)1 << (registers[i] - REGISTER_VECTOR);
  return found;
}

void run_pass(struct pending_run *run, const struct instruction *decoded) {
  if (!run->count) return;
  uint64_t read = vectors_in(decoded->sources, decoded->source_count);
  uint64_t written = vectors_in(decoded->destinations, decoded->destination_count);
  if (!is_plain(decoded) || written & (run->read | run->written) || read & run->written)
    run_end(run);
}

void run_end(struct pending_run *run) {
  if (!run->count) return;
  run->operations[run->count - 1].is_last = 1;
  qemu_plugin_register_vcpu_insn_exec_cb(run->last, on_run, QEMU_PLUGIN_CB_NO_REGS,
                                         run->operations);
  *run = (struct pending_run){0};
}
