# The instructions that are compared, each in a slot of 16 bytes, and the routine that runs one on the host.
# Registers: operands are numbers 1 (destination) and 2 (source), XMM0 a mask, RDI the memory operand, RCX a general one.

.macro slot text:vararg
    .balign 16, 0xcc
    \text
    ret
.endm

# With a vector register and with memory as the source.
.macro two op
    slot \op xmm1, xmm2
    slot \op xmm1, [rdi]
.endm

# The MMX form too.
.macro both op
    two \op
    slot \op mm1, mm2
    slot \op mm1, [rdi]
.endm

# With every immediate.
.macro two_imm op
    .set imm, 0
    .rept 256
    slot \op xmm1, xmm2, imm
    .set imm, imm + 1
    .endr
    slot \op xmm1, [rdi], 0x5a
    slot \op xmm1, [rdi], 0xe7
.endm

.macro mmx_imm op
    .set imm, 0
    .rept 256
    slot \op mm1, mm2, imm
    .set imm, imm + 1
    .endr
    slot \op mm1, [rdi], 0x5a
.endm

.macro some_imm op
    .irp imm, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15
    slot \op xmm1, xmm2, \imm
    slot \op xmm1, [rdi], \imm
    .endr
.endm

.macro formats op
    .irp format, ps, pd, ss, sd
    two \op\format
    .endr
.endm

.balign 16
.globl sse_host_integer
sse_host_integer:
    .irp op, paddb, paddw, paddd, paddq, psubb, psubw, psubd, psubq, paddsb, paddsw, paddusb, paddusw, psubsb, psubsw, psubusb, psubusw, pand, pandn, por, pxor
    both \op
    .endr
    .irp op, pcmpeqb, pcmpeqw, pcmpeqd, pcmpgtb, pcmpgtw, pcmpgtd, pminub, pminsw, pmaxub, pmaxsw, pavgb, pavgw, psignb, psignw, psignd, pabsb, pabsw, pabsd
    both \op
    .endr
    .irp op, psllw, pslld, psllq, psrlw, psrld, psrlq, psraw, psrad, pmullw, pmulhw, pmulhuw, pmulhrsw, pmuludq, pmaddwd, pmaddubsw, psadbw
    both \op
    .endr
    .irp op, phaddw, phaddd, phaddsw, phsubw, phsubd, phsubsw, packsswb, packssdw, packuswb, punpcklbw, punpcklwd, punpckldq, punpckhbw, punpckhwd, punpckhdq, pshufb
    both \op
    .endr
    .irp op, pcmpeqq, pcmpgtq, pminuw, pminud, pminsb, pminsd, pmaxuw, pmaxud, pmaxsb, pmaxsd, pmulld, pmuldq, packusdw, punpcklqdq, punpckhqdq, phminposuw
    two \op
    .endr
    .irp op, andps, andpd, andnps, andnpd, orps, orpd, xorps, xorpd, unpcklps, unpckhps, unpcklpd, unpckhpd
    two \op
    .endr
    .irp op, pmovsxbw, pmovsxbd, pmovsxbq, pmovsxwd, pmovsxwq, pmovsxdq, pmovzxbw, pmovzxbd, pmovzxbq, pmovzxwd, pmovzxwq, pmovzxdq, movddup, movshdup, movsldup, ptest
    two \op
    .endr
    .irp op, pshufd, pshuflw, pshufhw, shufps, palignr, pblendw, mpsadbw, insertps, blendps, blendpd, shufpd
    two_imm \op
    .endr
    mmx_imm pshufw
    mmx_imm palignr
    .irp op, psllw, pslld, psllq, psrlw, psrld, psrlq, psraw, psrad
    .irp imm, 0, 1, 5, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255
    slot \op xmm1, \imm
    slot \op mm1, \imm
    .endr
    .endr
    .irp op, pslldq, psrldq
    .irp imm, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 255
    slot \op xmm1, \imm
    .endr
    .endr
    .irp op, pblendvb, blendvps, blendvpd
    slot \op xmm1, xmm2, xmm0
    slot \op xmm1, [rdi], xmm0
    .endr
    # Moves.
    .irp op, movaps, movapd, movdqa, movups, movupd, movdqu
    two \op
    slot \op [rdi], xmm1
    .endr
    slot movups xmm1, [rdi + 3]
    slot movdqu [rdi + 5], xmm2
    slot lddqu xmm1, [rdi + 7]
    slot movntdqa xmm1, [rdi]
    slot movntdq [rdi], xmm1
    slot movntps [rdi], xmm1
    slot movntpd [rdi], xmm1
    slot movntq [rdi], mm1
    slot movnti [rdi], ecx
    slot movnti [rdi], rcx
    .irp op, movss, movsd, movq
    two \op
    slot \op [rdi + 3], xmm1
    .endr
    .irp op, movlps, movlpd, movhps, movhpd
    slot \op xmm1, [rdi + 1]
    slot \op [rdi + 1], xmm1
    .endr
    slot movhlps xmm1, xmm2
    slot movlhps xmm1, xmm2
    slot movq mm1, mm2
    slot movq mm1, [rdi]
    slot movq [rdi], mm1
    slot movq2dq xmm1, mm2
    slot movdq2q mm1, xmm2
    slot movd xmm1, ecx
    slot movq xmm1, rcx
    slot movd ecx, xmm1
    slot movq rcx, xmm1
    slot movd xmm1, dword ptr [rdi]
    slot movd dword ptr [rdi], xmm1
    slot movd mm1, ecx
    slot movq mm1, rcx
    slot movd ecx, mm1
    slot movq rcx, mm1
    slot movd mm1, dword ptr [rdi]
    slot movd dword ptr [rdi], mm1
    slot pmovmskb ecx, xmm1
    slot pmovmskb ecx, mm1
    slot movmskps ecx, xmm1
    slot movmskpd ecx, xmm1
    .irp imm, 0, 1, 2, 3, 5, 7, 10, 15, 200, 255
    slot pextrb ecx, xmm1, \imm
    slot pextrb byte ptr [rdi], xmm1, \imm
    slot pextrw ecx, xmm1, \imm
    slot pextrw word ptr [rdi], xmm1, \imm
    slot pextrw ecx, mm1, \imm
    slot pextrd ecx, xmm1, \imm
    slot pextrd dword ptr [rdi], xmm1, \imm
    slot pextrq rcx, xmm1, \imm
    slot pextrq qword ptr [rdi], xmm1, \imm
    slot extractps ecx, xmm1, \imm
    slot extractps dword ptr [rdi], xmm1, \imm
    slot pinsrb xmm1, ecx, \imm
    slot pinsrb xmm1, byte ptr [rdi + 1], \imm
    slot pinsrw xmm1, ecx, \imm
    slot pinsrw xmm1, word ptr [rdi + 1], \imm
    slot pinsrw mm1, ecx, \imm
    slot pinsrw mm1, word ptr [rdi + 1], \imm
    slot pinsrd xmm1, ecx, \imm
    slot pinsrd xmm1, dword ptr [rdi + 1], \imm
    slot pinsrq xmm1, rcx, \imm
    slot pinsrq xmm1, qword ptr [rdi + 1], \imm
    .endr
    slot maskmovdqu xmm1, xmm2
    slot maskmovq mm1, mm2
    slot emms
.balign 16, 0xcc
.globl sse_host_integer_end
sse_host_integer_end:

.globl sse_host_string
sse_host_string:
    two_imm pcmpistri
    two_imm pcmpistrm
    two_imm pcmpestri
    two_imm pcmpestrm
.balign 16, 0xcc
.globl sse_host_string_end
sse_host_string_end:

.globl sse_host_float
sse_host_float:
    .irp op, add, sub, mul, div, min, max, sqrt
    formats \op
    .endr
    .irp op, haddps, haddpd, hsubps, hsubpd, addsubps, addsubpd
    two \op
    .endr
    .irp op, cvtdq2ps, cvtps2dq, cvttps2dq, cvtdq2pd, cvtpd2dq, cvttpd2dq, cvtps2pd, cvtpd2ps, cvtss2sd, cvtsd2ss
    two \op
    .endr
    .irp op, comiss, comisd, ucomiss, ucomisd
    two \op
    .endr
    .irp op, cvtpi2ps, cvtpi2pd
    slot \op xmm1, mm2
    slot \op xmm1, [rdi]
    .endr
    .irp op, cvtps2pi, cvttps2pi, cvtpd2pi, cvttpd2pi
    slot \op mm1, xmm2
    slot \op mm1, [rdi]
    .endr
    .irp op, cvtss2si, cvttss2si, cvtsd2si, cvttsd2si
    slot \op ecx, xmm2
    slot \op rcx, xmm2
    slot \op rcx, [rdi]
    slot \op ecx, [rdi]
    .endr
    .irp op, cvtsi2ss, cvtsi2sd
    slot \op xmm1, ecx
    slot \op xmm1, rcx
    slot \op xmm1, dword ptr [rdi]
    slot \op xmm1, qword ptr [rdi]
    .endr
    .irp op, cmpps, cmppd, cmpss, cmpsd
    some_imm \op
    .endr
    .irp op, roundps, roundpd, roundss, roundsd
    some_imm \op
    .endr
    .irp imm, 0x00, 0x01, 0x0f, 0xff, 0xf1, 0x7f, 0x35, 0xc8, 0xa2, 0x5d
    slot dpps xmm1, xmm2, \imm
    slot dppd xmm1, xmm2, \imm
    .endr
    slot dpps xmm1, [rdi], 0xff
    slot dppd xmm1, [rdi], 0x33
.balign 16, 0xcc
.globl sse_host_float_end
sse_host_float_end:

.globl sse_host_approximate
sse_host_approximate:
    .irp op, rcpps, rcpss, rsqrtps, rsqrtss
    two \op
    .endr
.balign 16, 0xcc
.globl sse_host_approximate_end
sse_host_approximate_end:

# void sse_host_run(struct Host *state, const void *slot)
.globl sse_host_run
sse_host_run:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov rbx, rdi
    fxsave64 [rbx + 1024]
    fxrstor64 [rbx]
    mov rax, [rbx + 1536]
    mov rcx, [rbx + 1544]
    mov rdx, [rbx + 1552]
    mov rdi, [rbx + 1560]
    push qword ptr [rbx + 1568]
    popfq
    call rsi
.globl sse_host_after
sse_host_after:
    pushfq
    pop qword ptr [rbx + 1568]
    mov [rbx + 1536], rax
    mov [rbx + 1544], rcx
    mov [rbx + 1552], rdx
    fxsave64 [rbx + 512]
    fxrstor64 [rbx + 1024]
    cld
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
