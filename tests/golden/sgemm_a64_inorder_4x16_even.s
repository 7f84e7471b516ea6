ldr q16, [{pixels}, #0]
ldr q17, [{weights}, #0]
ldr q18, [{pixels}, #16]
ldr d19, [{pixels}, #32]
ldr x8, [{pixels}, #40]
ldr d20, [{pixels}, #48]
ldr x9, [{pixels}, #56]
add {weights}, {weights}, #16
add {pixels}, {pixels}, {advance}
cbz {steps}, 2f
1:
ins v19.d[1], x8
ins v20.d[1], x9
fmla v0.4s, v16.4s, v17.s[0]
ldr x10, [{pixels}, #8]
fmla v4.4s, v16.4s, v17.s[1]
ldr x11, [{weights}, #8]
ldr d21, [{pixels}, #0]
fmla v8.4s, v16.4s, v17.s[2]
ldr x12, [{pixels}, #24]
fmla v12.4s, v16.4s, v17.s[3]
ldr x13, [{pixels}, #40]
ldr d22, [{weights}, #0]
fmla v1.4s, v18.4s, v17.s[0]
ldr x14, [{pixels}, #56]
fmla v5.4s, v18.4s, v17.s[1]
ldr d23, [{pixels}, #16]
ins v21.d[1], x10
fmla v9.4s, v18.4s, v17.s[2]
fmla v13.4s, v18.4s, v17.s[3]
ldr d24, [{pixels}, #32]
ins v22.d[1], x11
fmla v2.4s, v19.4s, v17.s[0]
fmla v6.4s, v19.4s, v17.s[1]
ldr d25, [{pixels}, #48]
ins v23.d[1], x12
fmla v10.4s, v19.4s, v17.s[2]
add {weights}, {weights}, #16
fmla v14.4s, v19.4s, v17.s[3]
add {pixels}, {pixels}, {advance}
fmla v3.4s, v20.4s, v17.s[0]
fmla v7.4s, v20.4s, v17.s[1]
fmla v11.4s, v20.4s, v17.s[2]
fmla v15.4s, v20.4s, v17.s[3]
ins v24.d[1], x13
ins v25.d[1], x14
fmla v0.4s, v21.4s, v22.s[0]
ldr x5, [{pixels}, #8]
fmla v4.4s, v21.4s, v22.s[1]
ldr x6, [{weights}, #8]
ldr d16, [{pixels}, #0]
fmla v8.4s, v21.4s, v22.s[2]
ldr x7, [{pixels}, #24]
fmla v12.4s, v21.4s, v22.s[3]
ldr x8, [{pixels}, #40]
ldr d17, [{weights}, #0]
fmla v1.4s, v23.4s, v22.s[0]
ldr x9, [{pixels}, #56]
fmla v5.4s, v23.4s, v22.s[1]
ldr d18, [{pixels}, #16]
ins v16.d[1], x5
fmla v9.4s, v23.4s, v22.s[2]
fmla v13.4s, v23.4s, v22.s[3]
ldr d19, [{pixels}, #32]
ins v17.d[1], x6
fmla v2.4s, v24.4s, v22.s[0]
fmla v6.4s, v24.4s, v22.s[1]
ldr d20, [{pixels}, #48]
ins v18.d[1], x7
fmla v10.4s, v24.4s, v22.s[2]
add {weights}, {weights}, #16
fmla v14.4s, v24.4s, v22.s[3]
add {pixels}, {pixels}, {advance}
fmla v3.4s, v25.4s, v22.s[0]
subs {steps}, {steps}, #1
fmla v7.4s, v25.4s, v22.s[1]
fmla v11.4s, v25.4s, v22.s[2]
fmla v15.4s, v25.4s, v22.s[3]
b.ne 1b
2:
ins v19.d[1], x8
ins v20.d[1], x9
fmla v0.4s, v16.4s, v17.s[0]
ldr x10, [{pixels}, #8]
fmla v4.4s, v16.4s, v17.s[1]
ldr x11, [{weights}, #8]
ldr d21, [{pixels}, #0]
fmla v8.4s, v16.4s, v17.s[2]
ldr x12, [{pixels}, #24]
fmla v12.4s, v16.4s, v17.s[3]
ldr x13, [{pixels}, #40]
ldr d22, [{weights}, #0]
fmla v1.4s, v18.4s, v17.s[0]
ldr x14, [{pixels}, #56]
fmla v5.4s, v18.4s, v17.s[1]
ldr d23, [{pixels}, #16]
ins v21.d[1], x10
fmla v9.4s, v18.4s, v17.s[2]
fmla v13.4s, v18.4s, v17.s[3]
ldr d24, [{pixels}, #32]
ins v22.d[1], x11
fmla v2.4s, v19.4s, v17.s[0]
fmla v6.4s, v19.4s, v17.s[1]
ldr d25, [{pixels}, #48]
ins v23.d[1], x12
fmla v10.4s, v19.4s, v17.s[2]
add {weights}, {weights}, #16
fmla v14.4s, v19.4s, v17.s[3]
add {pixels}, {pixels}, {advance}
fmla v3.4s, v20.4s, v17.s[0]
fmla v7.4s, v20.4s, v17.s[1]
fmla v11.4s, v20.4s, v17.s[2]
fmla v15.4s, v20.4s, v17.s[3]
ins v24.d[1], x13
ins v25.d[1], x14
fmla v0.4s, v21.4s, v22.s[0]
fmla v4.4s, v21.4s, v22.s[1]
fmla v8.4s, v21.4s, v22.s[2]
fmla v12.4s, v21.4s, v22.s[3]
fmla v1.4s, v23.4s, v22.s[0]
fmla v5.4s, v23.4s, v22.s[1]
fmla v9.4s, v23.4s, v22.s[2]
fmla v13.4s, v23.4s, v22.s[3]
fmla v2.4s, v24.4s, v22.s[0]
fmla v6.4s, v24.4s, v22.s[1]
fmla v10.4s, v24.4s, v22.s[2]
fmla v14.4s, v24.4s, v22.s[3]
fmla v3.4s, v25.4s, v22.s[0]
fmla v7.4s, v25.4s, v22.s[1]
fmla v11.4s, v25.4s, v22.s[2]
fmla v15.4s, v25.4s, v22.s[3]
