#include "prefetch.h"

#include <string.h>

#include "parameters.h"

/* Misses further apart than this many lines do not make a stream.  A window, not a figure of any
 * one core: ARM's manuals say "a fixed stride pattern" without its bound. */
enum { STRIDE_WINDOW = 4 };

struct stream {
  uint64_t last;  /* line of the last miss or first use */
  uint64_t ahead; /* last line asked for */
  int stride;     /* in lines; 0: not known yet */
  int confidence;
};

static struct stream all_streams[MAX_CORES][MAX_STREAMS];
static unsigned replace_next[MAX_CORES];
static int core;

void prefetch_reset(void) {
  memset(all_streams, 0, sizeof all_streams);
  memset(replace_next, 0, sizeof replace_next);
  core = 0;
}

void prefetch_select_core(int new_core) { core = new_core; }

static void run_ahead(struct stream *stream, uint64_t line, int64_t t) {
  int64_t stride = stream->stride;
  uint64_t page_lines = (uint64_t)parameters.prefetch_page_bytes / LINE_BYTES;
  int64_t lead = (int64_t)(stream->ahead - line);
  if (stride > 0 ? lead < 0 : lead > 0) stream->ahead = line;
  while ((int64_t)(stream->ahead - line) / stride < parameters.prefetch_distance) {
    uint64_t next = stream->ahead + (uint64_t)stride;
    /* The next page may lie anywhere in memory. */
    if (page_lines && next / page_lines != line / page_lines) return;
    stream->ahead = next;
    memory_prefetch(next, t);
  }
}

void prefetch_train(uint64_t line, int64_t t) {
  struct stream *streams = all_streams[core];
  int count = parameters.prefetch_streams, trained = parameters.prefetch_training - 1;
  if (!count) return;
  for (int i = 0; i < count; i++) {
    struct stream *stream = &streams[i];
    int64_t distance = (int64_t)(line - stream->last);
    if (distance == 0) return;
    if (!stream->stride || distance != stream->stride) continue;
    stream->confidence++;
    stream->last = line;
    if (stream->confidence >= trained) run_ahead(stream, line, t);
    return;
  }
  for (int i = 0; i < count; i++) {
    struct stream *stream = &streams[i];
    int64_t distance = (int64_t)(line - stream->last);
    if (stream->confidence >= trained || distance < -STRIDE_WINDOW || distance > STRIDE_WINDOW)
      continue;
    stream->stride = (int)distance;
    stream->confidence = 1;
    stream->last = line;
    return;
  }
  struct stream *stream = &streams[replace_next[core]++ % (unsigned)count];
  *stream = (struct stream){.last = line, .ahead = line, .stride = 0, .confidence = 0};
}
