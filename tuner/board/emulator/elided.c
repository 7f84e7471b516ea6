#include "elided.h"

#include <stdio.h>
#include <string.h>

static const char *a64_text(const char *operands, char *storage) {
  int d, n, m, end = -1;
  if (sscanf(operands, "v%d.2d, v%d.2d, v%d.2d%n", &d, &n, &m, &end) != 3 || end < 0) return 0;
  snprintf(storage, MAX_ELIDED_TEXT, "fmla v%d.4s, v%d.4s, v%d.4s", d, n, m);
  return storage;
}

static const char *a32_text(const char *operands, char *storage) {
  int d, n, m, end = -1;
  if (sscanf(operands, "q%d, q%d, q%d, #0%n", &d, &n, &m, &end) == 3 && end >= 0 && !operands[end])
    snprintf(storage, MAX_ELIDED_TEXT, "vmla.f32 q%d, q%d, q%d", d, n, m);
  else if (sscanf(operands, "d%d, d%d, d%d, #0%n", &d, &n, &m, &end) == 3 && end >= 0 &&
           !operands[end])
    snprintf(storage, MAX_ELIDED_TEXT, "vmla.f32 q%d, q%d, d%d[0]", d / 2, n / 2, m);
  else return 0;
  return storage;
}

const char *elided_text(enum isa isa, const char *text, char storage[MAX_ELIDED_TEXT]) {
  const char *start = text + strspn(text, " \t"), *name = isa == ISA_A64 ? "uzp2" : "vext.";
  size_t length = strcspn(start, " \t"), named = strlen(name);
  /* capstone: "vext.64 q8, q1, q0, #0" of the same encoding as "vext.8 q8, q1, q0, #0" */
  if (strncmp(start, name, named) || (isa == ISA_A64 && length != named)) return text;
  const char *operands = start + length + strspn(start + length, " \t");
  const char *elided = isa == ISA_A64 ? a64_text(operands, storage) : a32_text(operands, storage);
  return elided ? elided : text;
}
