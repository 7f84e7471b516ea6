1:
vld1.32 {d0, d1}, [{weights}]!
vld1.32 {d2, d3}, [{pixels}], {advance}
subs {steps}, {steps}, #1
vmla.f32 q15, q1, d0[0]
vmla.f32 q14, q1, d0[1]
vmla.f32 q13, q1, d1[0]
vmla.f32 q12, q1, d1[1]
bne 1b
