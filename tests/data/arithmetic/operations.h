/* OPERATION(number, instruction): d in v0 or q0, n in v1 or q1, m in v2 or q2. No include guard. */
#ifdef __aarch64__
OPERATION(0, "fmla v0.4s, v1.4s, v2.4s")
OPERATION(1, "fmls v0.4s, v1.4s, v2.4s")
OPERATION(2, "fmla v0.4s, v1.4s, v2.s[0]")
OPERATION(3, "fmls v0.4s, v1.4s, v2.s[3]")
OPERATION(4, "fadd v0.4s, v1.4s, v2.4s")
OPERATION(5, "fsub v0.4s, v1.4s, v2.4s")
OPERATION(6, "fmul v0.4s, v1.4s, v2.4s")
OPERATION(7, "fmul v0.4s, v1.4s, v2.s[2]")
OPERATION(8, "fmla v0.4s, v0.4s, v0.s[1]")
#else
OPERATION(0, "vmla.f32 q0, q1, q2")
OPERATION(1, "vmls.f32 q0, q1, q2")
OPERATION(2, "vfma.f32 q0, q1, q2")
OPERATION(3, "vfms.f32 q0, q1, q2")
OPERATION(4, "vmla.f32 q0, q1, d4[0]")
OPERATION(5, "vmls.f32 q0, q1, d5[1]")
OPERATION(6, "vadd.f32 q0, q1, q2")
OPERATION(7, "vsub.f32 q0, q1, q2")
OPERATION(8, "vmul.f32 q0, q1, q2")
OPERATION(9, "vmul.f32 q0, q1, d5[0]")
OPERATION(10, "vmla.f32 q0, q0, d1[0]")
#endif
