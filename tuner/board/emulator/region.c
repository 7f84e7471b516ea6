#include "region.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "branch.h"
#include "counters.h"
#include "fetch.h"
#include "guest_calls.h"
#include "guest_registers.h"
#include "join.h"
#include "memo.h"
#include "memory.h"
#include "report.h"

/* Where guest address 0 lies in QEMU's own memory; qemu-arm and qemu-aarch64 export it. */
extern uintptr_t guest_base __attribute__((weak));

int region_active;
int region_quick_until = INT32_MAX;

static const struct pipeline *pipeline;
static void *core_states[MAX_CORES];
static struct block *running; /* begun, not yet accounted */
static int part_at;           /* index in it of the part that began last */
static int next_prefetch;     /* index of the first one that did not run yet */
static uint64_t budget;       /* cycles; 0: no limit */

static int current_core;
static int64_t fork_time, core_ends[MAX_CORES];
static uint64_t lines_at_fork;

void region_create(const struct pipeline *used_pipeline) {
  pipeline = used_pipeline;
  for (int core = 0; core < parameters.cores; core++) core_states[core] = pipeline->create();
  pipeline->select(core_states[0]);
  pipeline->reset(0);
}

/* Whoever set the budget waits for this process, and learns it from the status. */
static void require_budget(void) {
  if (!budget || *pipeline_clock <= (int64_t)budget) return;
  fprintf(stderr, "emulator: stopped after %llu cycles, its budget\n", (unsigned long long)budget);
  _exit(GUEST_OVER_BUDGET);
}

/* Those before an instruction, as early as their places in the block allow: issue_width
 * instructions a cycle. */
static void run_prefetches(int before) {
  for (; next_prefetch < running->prefetch_count; next_prefetch++) {
    const struct software_prefetch *each = &running->prefetches[next_prefetch];
    if (each->instruction >= before) return;
    memory_software_prefetch(each->value,
                             *pipeline_clock + each->instruction / parameters.issue_width);
  }
}

static void note_next_prefetch(void) {
  int has_one = running && next_prefetch < running->prefetch_count;
  region_quick_until = has_one ? running->prefetches[next_prefetch].instruction - part_at : INT32_MAX;
}

static void account(struct block *block, const struct block *next) {
  int64_t start = *pipeline_clock;
  int taken = next && block->has_branch && next->address != block->end;
  int penalty = 0;
  run_prefetches(block->count);
  int fetch = fetch_cycles(block);
  if (fetch) memory_add_fetch_delay(fetch);
  counters.instructions += (uint64_t)block->count;
  counters.undecoded += (uint64_t)block->undecoded;
  if (block->is_conditional && next) {
    counters.branches++;
    if (branch_outcome(block, taken)) {
      counters.mispredicts++;
      penalty = parameters.mispredict_cycles;
    }
  }
  if (block->events) report_events(block, penalty > 0);
  memo_run(block, taken, penalty);
  memory_event_count = 0;
  block->executions++;
  block->cycles += (uint64_t)(*pipeline_clock - start);
  require_budget();
}

/* What the registers say now; they are known where QEMU begins a block only. */
static void find_prefetched(struct software_prefetch *each) {
  const struct address *address = &each->address;
  each->value = guest_register(address->base) + (uint64_t)address->offset;
  if (address->index != NO_REGISTER)
    each->value += guest_register(address->index) << address->shift;
}

void region_block(struct block *block) {
  struct block *joined = running ? join_parts(running, block) : 0;
  if (joined) {
    run_prefetches(running->count);
    part_at = running->count;
    next_prefetch = running->prefetch_count;
    running = joined;
  } else {
    if (running) account(running, block);
    part_at = next_prefetch = 0;
    running = block;
  }
  if (!guest_registers_known) next_prefetch = running->prefetch_count;
  for (int i = next_prefetch; i < running->prefetch_count; i++)
    find_prefetched(&running->prefetches[i]);
  note_next_prefetch();
}

void region_access_slowly(uint64_t address, int instruction, int is_store) {
  counters.l1d_accesses++;
  if (instruction > region_quick_until) {
    run_prefetches(instruction + part_at);
    note_next_prefetch();
  }
  memory_access(address, instruction + part_at, is_store);
}

void region_access_rest(uint64_t last, int instruction, int is_store) {
  memory_delay_access(instruction + part_at, parameters.split_cycles);
  memory_access(last, instruction + part_at, is_store);
}

/* Accounts the block that made the call; the pipeline's own state is valid afterwards. */
static void finish_running(void) {
  if (running) account(running, 0);
  running = 0;
  note_next_prefetch();
  memo_sync();
}

static void select_core(int core, int64_t now) {
  pipeline->select(core_states[core]);
  pipeline->reset(now);
  memory_select_core(core, now);
  fetch_select_core(core);
  current_core = core;
}

/* Nothing the caches hold is lost, but every clock starts again at 0: a region's cycles cannot
 * depend on what ran before it, other than through cache contents. */
static void begin(void) {
  running = 0;
  note_next_prefetch();
  memo_sync();
  memory_settle();
  fetch_reset();
  branch_reset();
  select_core(0, 0);
  memset(&counters, 0, sizeof counters);
  region_active = 1;
}

static void fork_loop(void) {
  fork_time = pipeline->drained();
  lines_at_fork = counters.dram_lines;
  for (int core = 0; core < MAX_CORES; core++) core_ends[core] = fork_time;
}

static void begin_task(uint64_t core) {
  int number = (int)(core % (uint64_t)parameters.cores);
  select_core(number, core_ends[number]);
}

/* Tasks ran one after the other, each as if it had the memory bus to itself; the bus bounds them
 * together. */
static void join_loop(void) {
  int64_t end = fork_time;
  for (int core = 0; core < parameters.cores; core++)
    if (core_ends[core] > end) end = core_ends[core];
  int64_t lines = (int64_t)(counters.dram_lines - lines_at_fork);
  int64_t bus_end = fork_time + lines * parameters.dram_line_cycles;
  if (bus_end > end) end = bus_end;
  select_core(0, end + parameters.fork_join_cycles);
}

void *guest_memory(int is_64_bit, uint64_t address) {
  uintptr_t base = &guest_base ? guest_base : 0;
  return (void *)(base + (uintptr_t)(is_64_bit ? address : (uint32_t)address));
}

static void write_guest(int is_64_bit, uint64_t address, const void *data, size_t length) {
  if (address) memcpy(guest_memory(is_64_bit, address), data, length);
}

static void end(int is_64_bit, uint64_t address) {
  uint64_t result[GUEST_RESULT_WORDS] = {0};
  if (region_active) {
    finish_running();
    result[GUEST_CYCLES] = (uint64_t)pipeline->drained();
    result[GUEST_INSTRUCTIONS] = counters.instructions;
    result[GUEST_L1D_ACCESSES] = counters.l1d_accesses;
    result[GUEST_L1D_MISSES] = counters.l1d_misses;
    result[GUEST_L2_MISSES] = counters.l2_misses;
    result[GUEST_PREFETCHES] = counters.prefetches;
    result[GUEST_BRANCHES] = counters.branches;
    result[GUEST_MISPREDICTS] = counters.mispredicts;
    result[GUEST_UNDECODED] = counters.undecoded;
    result[GUEST_DRAM_LINES] = counters.dram_lines;
  }
  region_active = 0;
  write_guest(is_64_bit, address, result, sizeof result);
}

static void hello(int is_64_bit, uint64_t address) {
  struct guest_hello answer;
  memset(&answer, 0, sizeof answer);
  answer.magic = GUEST_HELLO_MAGIC;
  answer.abi_version = GUEST_ABI_VERSION;
  answer.model_version = (uint32_t)parameters.model_version;
  answer.cores = (uint32_t)parameters.cores;
  answer.clock_hz = (uint64_t)parameters.clock_hz;
  memcpy(answer.board, parameters.board, sizeof answer.board);
  memcpy(answer.core, parameters.core, sizeof answer.core);
  write_guest(is_64_bit, address, &answer, sizeof answer);
}

static void now(int is_64_bit, uint64_t address) {
  uint64_t cycles = 0;
  if (region_active) {
    finish_running();
    cycles = (uint64_t)pipeline->drained();
  }
  write_guest(is_64_bit, address, &cycles, sizeof cycles);
}

static void parallel(uint64_t operation, uint64_t argument) {
  if (!region_active) return;
  finish_running();
  if (operation == GUEST_FORK) fork_loop();
  if (operation == GUEST_TASK_BEGIN) begin_task(argument);
  if (operation == GUEST_TASK_END) core_ends[current_core] = pipeline->drained();
  if (operation == GUEST_JOIN) join_loop();
}

void region_guest_call(int is_64_bit, uint64_t operation, uint64_t argument, uint64_t length) {
  switch (operation) {
    case GUEST_HELLO: hello(is_64_bit, argument); break;
    case GUEST_BEGIN: begin(); break;
    case GUEST_END: end(is_64_bit, argument); break;
    case GUEST_FORK:
    case GUEST_TASK_BEGIN:
    case GUEST_TASK_END:
    case GUEST_JOIN: parallel(operation, argument); break;
    case GUEST_FLUSH:
      if (region_active) finish_running();
      memory_flush();
      branch_reset();
      break;
    case GUEST_PRELOAD:
      memory_preload(is_64_bit ? argument : (uint32_t)argument,
                     is_64_bit ? length : (uint32_t)length);
      break;
    case GUEST_NOW: now(is_64_bit, argument); break;
    case GUEST_BUDGET:
      if (argument) memcpy(&budget, guest_memory(is_64_bit, argument), sizeof budget);
      break;
    default: break; /* a newer guest: it finds out by the ABI version */
  }
}
