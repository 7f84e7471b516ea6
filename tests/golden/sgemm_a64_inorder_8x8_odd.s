ldr q16, [{pixels}, #0]
ldr q17, [{weights}, #0]
ldr d18, [{weights}, #16]
ldr x7, [{weights}, #24]
ldr d19, [{pixels}, #16]
ldr x8, [{pixels}, #24]
add {weights}, {weights}, #32
add {pixels}, {pixels}, {advance}
cbz {steps}, 2f
1:
ins v18.d[1], x7
ins v19.d[1], x8
fmla v0.4s, v16.4s, v17.s[0]
ldr x9, [{pixels}, #8]
fmla v2.4s, v16.4s, v17.s[1]
ldr x10, [{weights}, #8]
ldr d20, [{pixels}, #0]
fmla v4.4s, v16.4s, v17.s[2]
ldr x11, [{weights}, #24]
fmla v6.4s, v16.4s, v17.s[3]
ldr x12, [{pixels}, #24]
ldr d21, [{weights}, #0]
fmla v8.4s, v16.4s, v18.s[0]
fmla v10.4s, v16.4s, v18.s[1]
ldr d22, [{weights}, #16]
ins v20.d[1], x9
fmla v12.4s, v16.4s, v18.s[2]
fmla v14.4s, v16.4s, v18.s[3]
ldr d23, [{pixels}, #16]
ins v21.d[1], x10
fmla v1.4s, v19.4s, v17.s[0]
add {weights}, {weights}, #32
fmla v3.4s, v19.4s, v17.s[1]
add {pixels}, {pixels}, {advance}
fmla v5.4s, v19.4s, v17.s[2]
fmla v7.4s, v19.4s, v17.s[3]
fmla v9.4s, v19.4s, v18.s[0]
fmla v11.4s, v19.4s, v18.s[1]
fmla v13.4s, v19.4s, v18.s[2]
fmla v15.4s, v19.4s, v18.s[3]
ins v22.d[1], x11
ins v23.d[1], x12
fmla v0.4s, v20.4s, v21.s[0]
ldr x5, [{pixels}, #8]
fmla v2.4s, v20.4s, v21.s[1]
ldr x6, [{weights}, #8]
ldr d16, [{pixels}, #0]
fmla v4.4s, v20.4s, v21.s[2]
ldr x7, [{weights}, #24]
fmla v6.4s, v20.4s, v21.s[3]
ldr x8, [{pixels}, #24]
ldr d17, [{weights}, #0]
fmla v8.4s, v20.4s, v22.s[0]
fmla v10.4s, v20.4s, v22.s[1]
ldr d18, [{weights}, #16]
ins v16.d[1], x5
fmla v12.4s, v20.4s, v22.s[2]
fmla v14.4s, v20.4s, v22.s[3]
ldr d19, [{pixels}, #16]
ins v17.d[1], x6
fmla v1.4s, v23.4s, v21.s[0]
add {weights}, {weights}, #32
fmla v3.4s, v23.4s, v21.s[1]
add {pixels}, {pixels}, {advance}
fmla v5.4s, v23.4s, v21.s[2]
subs {steps}, {steps}, #1
fmla v7.4s, v23.4s, v21.s[3]
fmla v9.4s, v23.4s, v22.s[0]
fmla v11.4s, v23.4s, v22.s[1]
fmla v13.4s, v23.4s, v22.s[2]
fmla v15.4s, v23.4s, v22.s[3]
b.ne 1b
2:
ins v18.d[1], x7
ins v19.d[1], x8
fmla v0.4s, v16.4s, v17.s[0]
fmla v2.4s, v16.4s, v17.s[1]
fmla v4.4s, v16.4s, v17.s[2]
fmla v6.4s, v16.4s, v17.s[3]
fmla v8.4s, v16.4s, v18.s[0]
fmla v10.4s, v16.4s, v18.s[1]
fmla v12.4s, v16.4s, v18.s[2]
fmla v14.4s, v16.4s, v18.s[3]
fmla v1.4s, v19.4s, v17.s[0]
fmla v3.4s, v19.4s, v17.s[1]
fmla v5.4s, v19.4s, v17.s[2]
fmla v7.4s, v19.4s, v17.s[3]
fmla v9.4s, v19.4s, v18.s[0]
fmla v11.4s, v19.4s, v18.s[1]
fmla v13.4s, v19.4s, v18.s[2]
fmla v15.4s, v19.4s, v18.s[3]
