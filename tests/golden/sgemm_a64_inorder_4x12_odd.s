ldr q12, [{pixels}, #0]
ldr q13, [{weights}, #0]
ldr d14, [{pixels}, #16]
ldr x7, [{pixels}, #24]
ldr d15, [{pixels}, #32]
ldr x8, [{pixels}, #40]
add {weights}, {weights}, #16
add {pixels}, {pixels}, {advance}
cbz {steps}, 2f
1:
ins v14.d[1], x7
ins v15.d[1], x8
fmla v0.4s, v12.4s, v13.s[0]
ldr x9, [{pixels}, #8]
fmla v3.4s, v12.4s, v13.s[1]
ldr x10, [{weights}, #8]
ldr d16, [{pixels}, #0]
fmla v6.4s, v12.4s, v13.s[2]
ldr x11, [{pixels}, #24]
fmla v9.4s, v12.4s, v13.s[3]
ldr x12, [{pixels}, #40]
ldr d17, [{weights}, #0]
fmla v1.4s, v14.4s, v13.s[0]
fmla v4.4s, v14.4s, v13.s[1]
ldr d18, [{pixels}, #16]
ins v16.d[1], x9
fmla v7.4s, v14.4s, v13.s[2]
fmla v10.4s, v14.4s, v13.s[3]
ldr d19, [{pixels}, #32]
ins v17.d[1], x10
fmla v2.4s, v15.4s, v13.s[0]
add {weights}, {weights}, #16
fmla v5.4s, v15.4s, v13.s[1]
add {pixels}, {pixels}, {advance}
fmla v8.4s, v15.4s, v13.s[2]
fmla v11.4s, v15.4s, v13.s[3]
ins v18.d[1], x11
ins v19.d[1], x12
fmla v0.4s, v16.4s, v17.s[0]
ldr x5, [{pixels}, #8]
fmla v3.4s, v16.4s, v17.s[1]
ldr x6, [{weights}, #8]
ldr d12, [{pixels}, #0]
fmla v6.4s, v16.4s, v17.s[2]
ldr x7, [{pixels}, #24]
fmla v9.4s, v16.4s, v17.s[3]
ldr x8, [{pixels}, #40]
ldr d13, [{weights}, #0]
fmla v1.4s, v18.4s, v17.s[0]
fmla v4.4s, v18.4s, v17.s[1]
ldr d14, [{pixels}, #16]
ins v12.d[1], x5
fmla v7.4s, v18.4s, v17.s[2]
fmla v10.4s, v18.4s, v17.s[3]
ldr d15, [{pixels}, #32]
ins v13.d[1], x6
fmla v2.4s, v19.4s, v17.s[0]
add {weights}, {weights}, #16
fmla v5.4s, v19.4s, v17.s[1]
add {pixels}, {pixels}, {advance}
fmla v8.4s, v19.4s, v17.s[2]
subs {steps}, {steps}, #1
fmla v11.4s, v19.4s, v17.s[3]
b.ne 1b
2:
ins v14.d[1], x7
ins v15.d[1], x8
fmla v0.4s, v12.4s, v13.s[0]
fmla v3.4s, v12.4s, v13.s[1]
fmla v6.4s, v12.4s, v13.s[2]
fmla v9.4s, v12.4s, v13.s[3]
fmla v1.4s, v14.4s, v13.s[0]
fmla v4.4s, v14.4s, v13.s[1]
fmla v7.4s, v14.4s, v13.s[2]
fmla v10.4s, v14.4s, v13.s[3]
fmla v2.4s, v15.4s, v13.s[0]
fmla v5.4s, v15.4s, v13.s[1]
fmla v8.4s, v15.4s, v13.s[2]
fmla v11.4s, v15.4s, v13.s[3]
