ldr d4, [{pixels}, #0]
ldr x5, [{pixels}, #8]
ldr d5, [{weights}, #0]
ldr x6, [{weights}, #8]
add {weights}, {weights}, #16
add {pixels}, {pixels}, {advance}
cbz {steps}, 2f
1:
ins v4.d[1], x5
ins v5.d[1], x6
fmla v0.4s, v4.4s, v5.s[0]
ldr x7, [{pixels}, #8]
fmla v1.4s, v4.4s, v5.s[1]
ldr x8, [{weights}, #8]
ldr d6, [{pixels}, #0]
fmla v2.4s, v4.4s, v5.s[2]
fmla v3.4s, v4.4s, v5.s[3]
ldr d7, [{weights}, #0]
add {weights}, {weights}, #16
add {pixels}, {pixels}, {advance}
ins v6.d[1], x7
ins v7.d[1], x8
fmla v0.4s, v6.4s, v7.s[0]
ldr x5, [{pixels}, #8]
fmla v1.4s, v6.4s, v7.s[1]
ldr x6, [{weights}, #8]
ldr d4, [{pixels}, #0]
fmla v2.4s, v6.4s, v7.s[2]
fmla v3.4s, v6.4s, v7.s[3]
ldr d5, [{weights}, #0]
add {weights}, {weights}, #16
add {pixels}, {pixels}, {advance}
subs {steps}, {steps}, #1
b.ne 1b
2:
ins v4.d[1], x5
ins v5.d[1], x6
fmla v0.4s, v4.4s, v5.s[0]
fmla v1.4s, v4.4s, v5.s[1]
fmla v2.4s, v4.4s, v5.s[2]
fmla v3.4s, v4.4s, v5.s[3]
