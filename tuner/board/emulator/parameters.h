/* Every timing figure of the modelled core and board, read from a flat text file.
 *
 * The file has one "key value" pair a line; it is written from the core's and the board's tables,
 * which name the source of each figure.  No timing figure is written in C. */
#ifndef PARAMETERS_H
#define PARAMETERS_H

#include <stdint.h>

#include "decode.h"

enum { MAX_PIPES = 8, MAX_UOPS = 4, MAX_CORES = 8, LINE_BYTES = 64 };
/* Bounds of the fixed-size model state; a file asking for more is refused. */
enum { MAX_ROB = 192, MAX_QUEUE = 32, MAX_QUEUES = 6, MAX_L1_WAYS = 8, MAX_L2_WAYS = 16 };
enum { MAX_MSHRS = 16, MAX_STREAMS = 8, MAX_DTLB = 64, MAX_TLB = 2048 };

/* One micro-operation: needs one pipe out of a set, for some cycles. */
struct uop_rule {
  uint8_t pipes;           /* bit mask */
  uint8_t cycles;          /* how long the pipe accepts nothing else */
  uint8_t bytes_per_cycle; /* memory: cycles = bytes moved / this, rounded up; else 0 */
};

struct class_timing {
  int latency;
  int uop_count;
  struct uop_rule uops[MAX_UOPS];
};

struct parameters {
  char board[32], core[32];
  int model_version, cores;
  int64_t clock_hz;

  int out_of_order;
  int issue_width; /* instructions a cycle: issued (in order) or dispatched (out of order) */
  int mispredict_cycles;
  int fma_addend_latency; /* from one FMA to the next on the same accumulator */
  struct class_timing classes[CLASS_COUNT][2]; /* [1]: 128-bit operation */
  struct class_timing writeback;               /* extra micro-operations of a base update */

  /* In-order cores. */
  int lone_load_bytes;      /* vector loads of this many bytes issue alone; 0: rule off */
  int fma_load_gap;         /* no vector load exactly this many cycles after an FMA; 0: off */
  int to_vector_per_cycle;  /* transfers from general to vector registers */

  /* Out-of-order cores. */
  int uop_width, rob, queue;
  int pipe_queue[MAX_PIPES]; /* which scheduler queue feeds the pipe */

  /* Memory. */
  int l1d_bytes, l1d_ways, l2_bytes, l2_ways;
  int l2_cycles, dram_cycles; /* from L1 miss to data */
  int dram_line_cycles;       /* one line on the memory bus */
  int l1i_bytes, l1i_ways;
  int dtlb_entries, tlb_entries;
  int dtlb_miss_cycles;  /* the page is in the larger TLB */
  int page_walk_cycles;  /* on top, when it is not */
  int split_cycles;      /* extra for an access that crosses a cache line */
  int prefetch_page_bytes; /* no hardware prefetch beyond; 0: no such bound */
  int mshrs, prefetch_streams, prefetch_distance, prefetch_training;
  int store_buffer_lines;   /* lines of stores that may wait for the bus before the core stalls */
  int write_stream_lines;   /* consecutive full lines after which stores no longer fetch */
  int fork_join_cycles;
};

extern struct parameters parameters;

/* Returns 0 after printing one line to stderr when the file cannot be used. */
int read_parameters(const char *path);

#endif
