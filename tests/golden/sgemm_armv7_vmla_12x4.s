1:
vld1.32 {d0, d1, d2, d3}, [{weights}]!
vld1.32 {d4, d5}, [{weights}]!
vld1.32 {d6, d7}, [{pixels}], {advance}
subs {steps}, {steps}, #1
vmla.f32 q15, q3, d0[0]
vmla.f32 q14, q3, d0[1]
vmla.f32 q13, q3, d1[0]
vmla.f32 q12, q3, d1[1]
vmla.f32 q11, q3, d2[0]
vmla.f32 q10, q3, d2[1]
vmla.f32 q9, q3, d3[0]
vmla.f32 q8, q3, d3[1]
vmla.f32 q7, q3, d4[0]
vmla.f32 q6, q3, d4[1]
vmla.f32 q5, q3, d5[0]
vmla.f32 q4, q3, d5[1]
bne 1b
