1:
vld1.32 {d0, d1}, [{weights}]!
vld1.32 {d2, d3, d4, d5}, [{pixels}]!
vld1.32 {d6, d7}, [{pixels}], {advance}
subs {steps}, {steps}, #1
vmla.f32 q15, q1, d0[0]
vmla.f32 q12, q1, d0[1]
vmla.f32 q9, q1, d1[0]
vmla.f32 q6, q1, d1[1]
vmla.f32 q14, q2, d0[0]
vmla.f32 q11, q2, d0[1]
vmla.f32 q8, q2, d1[0]
vmla.f32 q5, q2, d1[1]
vmla.f32 q13, q3, d0[0]
vmla.f32 q10, q3, d0[1]
vmla.f32 q7, q3, d1[0]
vmla.f32 q4, q3, d1[1]
bne 1b
