# Every two-byte x87 instruction, each followed by RET, in slots of four bytes; then the same with the prefix 66.
# Memory operands are at [rdx] (ModRM 00 xxx 010); nobody calls the other slots.
    .p2align 6
    .globl x87_host_slots
x87_host_slots:
    .set first, 0xd8
    .rept 8
    .set second, 0
    .rept 256
    .byte first, second, 0xc3, 0xcc
    .set second, second + 1
    .endr
    .set first, first + 1
    .endr
    .set first, 0xd8
    .rept 8
    .set second, 0
    .rept 256
    .byte 0x66, first, second, 0xc3
    .set second, second + 1
    .endr
    .set first, first + 1
    .endr

# x87_host_run(before: rdi, after: rsi, memory: rdx, slot: rcx, flags: r8, ax: r9): restores an FSAVE image, calls a slot
# with AX and RFLAGS, saves an image, and stores AX and RFLAGS.
    .globl x87_host_run
x87_host_run:
    push rbx
    push r12
    push r13
    mov rbx, rsi
    mov r12, r8
    mov r13, r9
    frstor [rdi]
    mov rax, [r13]
    push qword ptr [r12]
    popfq
    call rcx
    pushfq
    pop qword ptr [r12]
    mov [r13], rax
    fnsave [rbx]
    pop r13
    pop r12
    pop rbx
    ret
