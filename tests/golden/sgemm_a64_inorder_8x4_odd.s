ldr q8, [{pixels}, #0]
ldr d9, [{weights}, #0]
ldr x6, [{weights}, #8]
ldr d10, [{weights}, #16]
ldr x7, [{weights}, #24]
add {weights}, {weights}, #32
add {pixels}, {pixels}, {advance}
cbz {steps}, 2f
1:
ins v9.d[1], x6
ins v10.d[1], x7
fmla v0.4s, v8.4s, v9.s[0]
ldr x8, [{pixels}, #8]
fmla v1.4s, v8.4s, v9.s[1]
ldr x9, [{weights}, #8]
ldr d11, [{pixels}, #0]
fmla v2.4s, v8.4s, v9.s[2]
ldr x10, [{weights}, #24]
fmla v3.4s, v8.4s, v9.s[3]
ldr d12, [{weights}, #0]
fmla v4.4s, v8.4s, v10.s[0]
fmla v5.4s, v8.4s, v10.s[1]
ldr d13, [{weights}, #16]
ins v11.d[1], x8
fmla v6.4s, v8.4s, v10.s[2]
add {weights}, {weights}, #32
fmla v7.4s, v8.4s, v10.s[3]
add {pixels}, {pixels}, {advance}
ins v12.d[1], x9
ins v13.d[1], x10
fmla v0.4s, v11.4s, v12.s[0]
ldr x5, [{pixels}, #8]
fmla v1.4s, v11.4s, v12.s[1]
ldr x6, [{weights}, #8]
ldr d8, [{pixels}, #0]
fmla v2.4s, v11.4s, v12.s[2]
ldr x7, [{weights}, #24]
fmla v3.4s, v11.4s, v12.s[3]
ldr d9, [{weights}, #0]
fmla v4.4s, v11.4s, v13.s[0]
fmla v5.4s, v11.4s, v13.s[1]
ldr d10, [{weights}, #16]
ins v8.d[1], x5
fmla v6.4s, v11.4s, v13.s[2]
add {weights}, {weights}, #32
fmla v7.4s, v11.4s, v13.s[3]
add {pixels}, {pixels}, {advance}
subs {steps}, {steps}, #1
b.ne 1b
2:
ins v9.d[1], x6
ins v10.d[1], x7
fmla v0.4s, v8.4s, v9.s[0]
fmla v1.4s, v8.4s, v9.s[1]
fmla v2.4s, v8.4s, v9.s[2]
fmla v3.4s, v8.4s, v9.s[3]
fmla v4.4s, v8.4s, v10.s[0]
fmla v5.4s, v8.4s, v10.s[1]
fmla v6.4s, v8.4s, v10.s[2]
fmla v7.4s, v8.4s, v10.s[3]
