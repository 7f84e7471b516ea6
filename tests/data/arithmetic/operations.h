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
/* Several, with what they may wait across and what they may not. */
OPERATION(9, "fmla v0.4s, v1.4s, v2.4s\n ldr q3, [x0, #16]\n add x1, x0, #16\n"
             "fmla v0.4s, v3.4s, v2.s[1]\n ld1 {v2.s}[2], [x1]\n fmla v0.4s, v1.4s, v2.4s")
OPERATION(10, "fadd v3.4s, v1.4s, v2.4s\n str q3, [x0, #16]\n ldr q1, [x0, #16]\n"
              "fmul v0.4s, v1.4s, v2.4s\n mov v2.16b, v0.16b\n fsub v0.4s, v2.4s, v1.4s")
OPERATION(11, "fmla v0.4s, v1.4s, v2.s[0]\n fmov s1, s0\n fadd v0.4s, v0.4s, v1.4s\n"
              "cmp x0, #0\n b.eq 1f\n fmul v0.4s, v0.4s, v2.4s\n 1:")
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
OPERATION(11, "vmla.f32 q0, q1, q2\n vldr d6, [r0, #16]\n vldr d7, [r0, #24]\n add r1, r0, #16\n"
              "vmla.f32 q0, q3, d4[1]\n vld1.32 {d5[0]}, [r1]\n vmla.f32 q0, q1, q2")
OPERATION(12, "vadd.f32 q3, q1, q2\n vstm r0, {d6-d7}\n vldm r0, {d2-d3}\n"
              "vmul.f32 q0, q1, q2\n vmov q2, q0\n vsub.f32 q0, q2, q1")
OPERATION(13, "vmla.f32 q0, q1, d4[0]\n vmov.f32 s4, s0\n vadd.f32 q0, q0, q1\n"
              "cmp r0, #0\n vldreq d0, [r0]\n vldrne d1, [r0]\n vmul.f32 q0, q0, q2")
#endif
