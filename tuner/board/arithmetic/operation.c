#include "operation.h"

#include <stdio.h>

/* Instructions word & mask == value. Encodings: Arm ARM DDI 0487, C7.2 (A64) and F6.1 (A32). */
struct form {
  uint32_t mask, value;
  uint8_t kind, by_element;
};

static const struct form a64_forms[] = {
    {0xffe0fc00, 0x4e20cc00, FUSED_MULTIPLY_ADD, 0},      /* fmla v0.4s, v1.4s, v2.4s */
    {0xffe0fc00, 0x4ea0cc00, FUSED_MULTIPLY_SUBTRACT, 0}, /* fmls */
    {0xffc0f400, 0x4f801000, FUSED_MULTIPLY_ADD, 1},      /* fmla v0.4s, v1.4s, v2.s[0] */
    {0xffc0f400, 0x4f805000, FUSED_MULTIPLY_SUBTRACT, 1}, /* fmls */
    {0xffe0fc00, 0x4e20d400, ADD, 0},                     /* fadd v0.4s, v1.4s, v2.4s */
    {0xffe0fc00, 0x4ea0d400, SUBTRACT, 0},                /* fsub */
    {0xffe0fc00, 0x6e20dc00, MULTIPLY, 0},                /* fmul */
    {0xffc0f400, 0x4f809000, MULTIPLY, 1},                /* fmul v0.4s, v1.4s, v2.s[0] */
};

static const struct form a32_forms[] = {
    {0xffb00f50, 0xf2000d50, MULTIPLY_ADD, 0},            /* vmla.f32 q0, q1, q2 */
    {0xffb00f50, 0xf2200d50, MULTIPLY_SUBTRACT, 0},       /* vmls.f32 */
    {0xffb00f50, 0xf2000c50, FUSED_MULTIPLY_ADD, 0},      /* vfma.f32 */
    {0xffb00f50, 0xf2200c50, FUSED_MULTIPLY_SUBTRACT, 0}, /* vfms.f32 */
    {0xffb00f50, 0xf3a00140, MULTIPLY_ADD, 1},            /* vmla.f32 q0, q1, d4[0] */
    {0xffb00f50, 0xf3a00540, MULTIPLY_SUBTRACT, 1},       /* vmls.f32 */
    {0xffb00f50, 0xf2000d40, ADD, 0},                     /* vadd.f32 q0, q1, q2 */
    {0xffb00f50, 0xf2200d40, SUBTRACT, 0},                /* vsub.f32 */
    {0xffb00f50, 0xf3000d50, MULTIPLY, 0},                /* vmul.f32 */
    {0xffb00f50, 0xf3a00940, MULTIPLY, 1},                /* vmul.f32 q0, q1, d4[0] */
};

static const char *const a64_names[OPERATION_KINDS] = {
    [FUSED_MULTIPLY_ADD] = "fmla", [FUSED_MULTIPLY_SUBTRACT] = "fmls", [ADD] = "fadd",
    [SUBTRACT] = "fsub",           [MULTIPLY] = "fmul"};

static const char *const a32_names[OPERATION_KINDS] = {
    [MULTIPLY_ADD] = "vmla",       [MULTIPLY_SUBTRACT] = "vmls",
    [FUSED_MULTIPLY_ADD] = "vfma", [FUSED_MULTIPLY_SUBTRACT] = "vfms",
    [ADD] = "vadd",                [SUBTRACT] = "vsub",
    [MULTIPLY] = "vmul"};

static uint32_t bits(uint32_t word, int low, int count) {
  return word >> low & ((1u << count) - 1);
}

static void a64_registers(uint32_t word, struct operation *out) {
  out->d = (uint8_t)bits(word, 0, 5);
  out->n = (uint8_t)bits(word, 5, 5);
  out->m = (uint8_t)bits(word, 16, 5);
  if (out->by_element) out->element = (uint8_t)(bits(word, 11, 1) << 1 | bits(word, 21, 1));
}

/* Fields name 64-bit registers, of which a q register is two: the even number counts. */
static int a32_registers(uint32_t word, struct operation *out) {
  uint32_t d = bits(word, 22, 1) << 4 | bits(word, 12, 4);
  uint32_t n = bits(word, 7, 1) << 4 | bits(word, 16, 4);
  uint32_t m = bits(word, 5, 1) << 4 | bits(word, 0, 4);
  if (out->by_element) { /* d0 to d15, and its element in the bit above */
    out->element = (uint8_t)((m & 1) << 1 | m >> 4);
    m &= 0xe;
  }
  if ((d | n | m) & 1) return 0;
  out->d = (uint8_t)(d / 2);
  out->n = (uint8_t)(n / 2);
  out->m = (uint8_t)(m / 2);
  return 1;
}

int operation_of(enum isa isa, uint32_t word, struct operation *out) {
  const struct form *forms = isa == ISA_A64 ? a64_forms : a32_forms;
  int count = isa == ISA_A64 ? (int)(sizeof a64_forms / sizeof *a64_forms)
                             : (int)(sizeof a32_forms / sizeof *a32_forms);
  for (int i = 0; i < count; i++) {
    if ((word & forms[i].mask) != forms[i].value) continue;
    *out = (struct operation){.kind = forms[i].kind, .by_element = forms[i].by_element};
    out->is_a32 = isa == ISA_A32;
    if (out->is_a32) return a32_registers(word, out);
    a64_registers(word, out);
    return 1;
  }
  return 0;
}

void operation_text(const struct operation *operation, char text[MAX_OPERATION_TEXT]) {
  int d = operation->d, n = operation->n, m = operation->m, element = operation->element;
  int by_element = operation->by_element;
  if (operation->is_a32) {
    const char *name = a32_names[operation->kind];
    if (by_element)
      snprintf(text, MAX_OPERATION_TEXT, "%s.f32 q%d, q%d, d%d[%d]", name, d, n, 2 * m + element / 2,
               element % 2);
    else snprintf(text, MAX_OPERATION_TEXT, "%s.f32 q%d, q%d, q%d", name, d, n, m);
  } else {
    const char *name = a64_names[operation->kind];
    if (by_element)
      snprintf(text, MAX_OPERATION_TEXT, "%s v%d.4s, v%d.4s, v%d.s[%d]", name, d, n, m, element);
    else snprintf(text, MAX_OPERATION_TEXT, "%s v%d.4s, v%d.4s, v%d.4s", name, d, n, m);
  }
}
