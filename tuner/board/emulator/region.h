/* Timed regions, parallel loops and the guest's calls. */
#ifndef REGION_H
#define REGION_H

#include "block.h"
#include "pipeline.h"

/* Whether anything is modelled at the moment. */
extern int region_active;

void region_create(const struct pipeline *pipeline);

/* A block begins; the one before it is therefore complete. */
void region_block(struct block *block);

/* One guest call; is_64_bit tells how wide its addresses are. */
void region_guest_call(int is_64_bit, uint64_t operation, uint64_t argument, uint64_t length);

#endif
