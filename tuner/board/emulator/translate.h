/* QEMU's blocks as the model sees them: decoded, with a callback for each load and store. */
#ifndef TRANSLATE_H
#define TRANSLATE_H

#include "decode.h"
#include "qemu_plugin.h"

/* The guest thread whose region is timed.  Libraries keep threads that wake now and then. */
extern unsigned timed_vcpu;

/* keep_texts: blocks keep their disassembly, for the profile. */
void translate_create(enum isa isa, int keep_texts);

/* For QEMU to call. */
void translate_block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);

#endif
