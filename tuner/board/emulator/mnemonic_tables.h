/* The tables behind find_mnemonic(), each ended by a null name. */
#ifndef MNEMONIC_TABLES_H
#define MNEMONIC_TABLES_H

#include "mnemonics.h"

extern const struct mnemonic a64_mnemonics[];
extern const struct mnemonic a64_vector_mnemonics[];
extern const struct mnemonic a32_mnemonics[];
extern const struct mnemonic a32_vector_mnemonics[];

#endif
