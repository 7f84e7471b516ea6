1:
vld1.32 {d0, d1, d2, d3}, [{weights}]!
vld1.32 {d4, d5}, [{pixels}], {advance}
subs {steps}, {steps}, #1
vmla.f32 q15, q2, d0[0]
vmla.f32 q14, q2, d0[1]
vmla.f32 q13, q2, d1[0]
vmla.f32 q12, q2, d1[1]
vmla.f32 q11, q2, d2[0]
vmla.f32 q10, q2, d2[1]
vmla.f32 q9, q2, d3[0]
vmla.f32 q8, q2, d3[1]
bne 1b
