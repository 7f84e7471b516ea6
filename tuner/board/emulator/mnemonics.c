#include "mnemonics.h"

#include <string.h>

#include "mnemonic_tables.h"

enum { MAX_NAME = 24 };

static const char *const conditions[] = {"eq", "ne", "hs", "lo", "cs", "cc", "mi", "pl",
                                         "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le"};

static const struct mnemonic *in_table(const struct mnemonic *table, const char *name) {
  for (; table->name; table++)
    if (!strcmp(table->name, name)) return table;
  return 0;
}

static const struct mnemonic *a64_exact(const char *name) {
  const struct mnemonic *found = in_table(a64_mnemonics, name);
  return found ? found : in_table(a64_vector_mnemonics, name);
}

static const struct mnemonic *find_a64(const char *printed) {
  if (!strncmp(printed, "b.", 2)) return a64_exact("b.");
  const struct mnemonic *found = a64_exact(printed);
  size_t length = strlen(printed);
  if (found || length < 2 || length >= MAX_NAME || printed[length - 1] != '2') return found;
  char name[MAX_NAME] = "";
  memcpy(name, printed, length - 1);
  return in_table(a64_vector_mnemonics, name) ? in_table(a64_vector_mnemonics, name)
                                              : in_table(a64_mnemonics, name);
}

/* "it", "itt", "itete" ... only announces conditions. */
static int is_it(const char *name) {
  return !strncmp(name, "it", 2) && strspn(name + 2, "te") == strlen(name + 2);
}

static int ends_with_condition(const char *name) {
  size_t length = strlen(name);
  if (length < 3) return 0;
  for (unsigned i = 0; i < sizeof conditions / sizeof *conditions; i++)
    if (!strcmp(name + length - 2, conditions[i])) return 1;
  return 0;
}

/* Tries the name itself, then without condition, then without "s", then without both ("addseq").
 * The order matters: "movs" is mov + s, "bls" is b + ls, "mls" is neither. */
static const struct mnemonic *find_a32_plain(char *name, int *conditional, int *sets_flags) {
  const struct mnemonic *found = in_table(a32_mnemonics, name);
  if (found) return found;
  size_t length = strlen(name);
  if (ends_with_condition(name)) {
    char ending[3] = {name[length - 2], name[length - 1], 0};
    name[length - 2] = 0;
    *conditional = 1;
    found = in_table(a32_mnemonics, name);
    if (!found && length > 3 && name[length - 3] == 's') {
      name[length - 3] = 0;
      *sets_flags = 1;
      found = in_table(a32_mnemonics, name);
      name[length - 3] = 's';
    }
    if (found) return found;
    *conditional = *sets_flags = 0;
    memcpy(name + length - 2, ending, 3);
  }
  if (length > 1 && name[length - 1] == 's') {
    name[length - 1] = 0;
    *sets_flags = 1;
    return in_table(a32_mnemonics, name);
  }
  return 0;
}

static const struct mnemonic *find_a32_vector(char *name, int *conditional) {
  const struct mnemonic *found = in_table(a32_vector_mnemonics, name);
  if (found || !ends_with_condition(name)) return found;
  name[strlen(name) - 2] = 0;
  *conditional = 1;
  return in_table(a32_vector_mnemonics, name);
}

int find_mnemonic(enum isa isa, const char *printed, struct mnemonic *found, int *conditional) {
  const struct mnemonic *entry;
  int sets_flags = 0, is_float = 0;
  *conditional = 0;
  if (isa == ISA_A64) {
    entry = find_a64(printed);
  } else {
    char name[MAX_NAME] = "";
    size_t length = strcspn(printed, ".");
    if (length >= sizeof name) return 0;
    memcpy(name, printed, length);
    is_float = !strncmp(printed + length, ".f", 2);
    if (is_it(name)) memcpy(name, "nop", sizeof "nop");
    entry = name[0] == 'v' ? find_a32_vector(name, conditional)
                           : find_a32_plain(name, conditional, &sets_flags);
  }
  if (!entry) return 0;
  *found = *entry;
  if (sets_flags) found->flags |= SETS_FLAGS;
  if (isa == ISA_A32 && entry->name[0] == 'v') found->plain = is_float ? entry->vector : entry->plain;
  if (isa == ISA_A32) found->vector = found->plain;
  if (found->plain != CLASS_FMA && isa == ISA_A32) found->flags &= (uint16_t)~ADDEND_IS_RESULT;
  return 1;
}
