#include "pipeline.h"

int64_t *pipeline_clock;
