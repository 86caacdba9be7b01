/*
 * run_interp_test: the interpreter of user-space handlers: results of instructions that are easily
 * got wrong, and that hostile code reaches nothing outside its memory.
 */
#include <linux/bpf.h>

#include "base/abi.h"
#include "run/interp.h"
#include "tap.h"

#define INSN(c, d, s, o, i)                                                                        \
    ((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define MOV(d, i)       INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOVX(d, s)      INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ALU(op, d, i)   INSN(BPF_ALU64 | (op) | BPF_K, d, 0, 0, i)
#define ALUX(op, d, s)  INSN(BPF_ALU64 | (op) | BPF_X, d, s, 0, 0)
#define ALU32(op, d, i) INSN(BPF_ALU | (op) | BPF_K, d, 0, 0, i)
#define LD64(d, v)                                                                                 \
    INSN(BPF_LD | BPF_IMM | BPF_DW, d, 0, 0, (int32_t)(v)),                                        \
        INSN(0, 0, 0, 0, (int32_t)((uint64_t)(v) >> 32))
#define LDMAP(d, m, o)       INSN(BPF_LD | BPF_IMM | BPF_DW, d, 1, 0, m), INSN(0, 0, 0, 0, o)
#define LDX(sz, d, s, o)     INSN(BPF_LDX | BPF_MEM | (sz), d, s, o, 0)
#define LDSX(sz, d, s, o)    INSN(BPF_LDX | 0x80 | (sz), d, s, o, 0)
#define STX(sz, d, s, o)     INSN(BPF_STX | BPF_MEM | (sz), d, s, o, 0)
#define ST(sz, d, o, i)      INSN(BPF_ST | BPF_MEM | (sz), d, 0, o, i)
#define ATOM(sz, d, s, o, i) INSN(BPF_STX | BPF_ATOMIC | (sz), d, s, o, i)
#define JMP(op, d, i, o)     INSN(BPF_JMP | (op) | BPF_K, d, 0, o, i)
#define JMP32(op, d, i, o)   INSN(BPF_JMP32 | (op) | BPF_K, d, 0, o, i)
#define JA(o)                INSN(BPF_JMP | BPF_JA, 0, 0, o, 0)
#define HELPER(n)            INSN(BPF_JMP | BPF_CALL, 0, 0, 0, NGS_H_BASE + (n))
#define EXIT                 INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

enum { FRAME = 256, GLOBALS = 64, RODATA = 32 };

struct world {
    struct vm vm;
    uint8_t frame[FRAME], globals[GLOBALS], rodata[RODATA], control[64];
    uint64_t args[5];
    uint32_t helper;
};

static uint64_t helper(struct vm *vm, uint32_t n, const uint64_t a[5])
{
    struct world *w = vm->ctx;

    w->helper = n;
    memcpy(w->args, a, sizeof(w->args));
    if (n == NGS_H_EXIT)
        vm_at(vm, a[0], 8, true); /* as a helper does that is handed a bad address */
    return 77;
}

static enum vm_end run(struct world *w, const struct bpf_insn *code, uint32_t n)
{
    *w = (struct world){0};
    memset(w->rodata, 0x5a, sizeof(w->rodata));
    w->vm = (struct vm){
        .code = (const uint64_t *)code, .code_len = n, .cap = 1000, .helper = helper, .ctx = w};
    w->vm.mem[VM_FRAME] = (struct vm_memory){w->frame, FRAME, false};
    w->vm.mem[VM_GLOBALS] = (struct vm_memory){w->globals, GLOBALS, false};
    w->vm.mem[VM_RODATA] = (struct vm_memory){w->rodata, RODATA, true};
    w->vm.mem[VM_CONTROL] = (struct vm_memory){w->control, sizeof(w->control), false};
    return vm_run(&w->vm, 0, n);
}

#define CODE(...)                                                                                  \
    (const struct bpf_insn[]){__VA_ARGS__},                                                        \
        sizeof((struct bpf_insn[]){__VA_ARGS__}) / sizeof(struct bpf_insn)

static void gives(const char *name, uint64_t want, const struct bpf_insn *code, uint32_t n)
{
    struct world w;
    enum vm_end end = run(&w, code, n);

    if (!tap_ok(end == VM_DONE && w.vm.result == want, "%s", name))
        printf("# end %d (%s), r0 %llx, wanted %llx\n", end, w.vm.fault ? w.vm.fault : "-",
               (unsigned long long)w.vm.result, (unsigned long long)want);
}

static void refuses(const char *name, const char *why, const struct bpf_insn *code, uint32_t n)
{
    struct world w;
    enum vm_end end = run(&w, code, n);

    if (!tap_ok(end == VM_BAD && w.vm.fault && !strcmp(w.vm.fault, why), "refused: %s", name))
        printf("# end %d (%s)\n", end, w.vm.fault ? w.vm.fault : "-");
}

static void arithmetic(void)
{
    gives("constants", 0x123456789abcdef0, CODE(LD64(0, 0x123456789abcdef0), EXIT));
    gives("a 32-bit immediate is sign-extended", (uint64_t)-5, CODE(MOV(0, -5), EXIT));
    gives("a 32-bit move is not", 0xfffffffb, CODE(ALU32(BPF_MOV, 0, -5), EXIT));
    gives("32-bit add wraps and clears the upper half", 0,
          CODE(MOV(0, -1), ALU32(BPF_ADD, 0, 1), EXIT));
    gives("unsigned division", 0x7fffffffffffffff, CODE(MOV(0, -2), ALU(BPF_DIV, 0, 2), EXIT));
    gives("signed division", (uint64_t)-3,
          CODE(MOV(0, -7), INSN(BPF_ALU64 | BPF_DIV | BPF_K, 0, 0, 1, 2), EXIT));
    gives("signed modulo", (uint64_t)-1,
          CODE(MOV(0, -7), INSN(BPF_ALU64 | BPF_MOD | BPF_K, 0, 0, 1, 2), EXIT));
    gives("INT64_MIN / -1", 1ull << 63,
          CODE(LD64(0, 1ull << 63), INSN(BPF_ALU64 | BPF_DIV | BPF_K, 0, 0, 1, -1), EXIT));
    gives("INT64_MIN % -1", 0,
          CODE(LD64(0, 1ull << 63), INSN(BPF_ALU64 | BPF_MOD | BPF_K, 0, 0, 1, -1), EXIT));
    gives("signed 32-bit division", 0xfffffffd,
          CODE(ALU32(BPF_MOV, 0, -7), INSN(BPF_ALU | BPF_DIV | BPF_K, 0, 0, 1, 2), EXIT));
    gives("division by 0 gives 0", 0, CODE(MOV(0, 9), MOV(1, 0), ALUX(BPF_DIV, 0, 1), EXIT));
    gives("modulo 0 leaves the dividend", 9, CODE(MOV(0, 9), MOV(1, 0), ALUX(BPF_MOD, 0, 1), EXIT));
    gives("shift counts are masked", 2, CODE(MOV(0, 1), MOV(1, 65), ALUX(BPF_LSH, 0, 1), EXIT));
    gives("arithmetic shift", (uint64_t)-1, CODE(MOV(0, -8), ALU(BPF_ARSH, 0, 10), EXIT));
    gives("32-bit arithmetic shift", 0xfffffffe, CODE(MOV(0, -8), ALU32(BPF_ARSH, 0, 2), EXIT));
    gives("movsx 8", (uint64_t)-1,
          CODE(MOV(1, 0xff), INSN(BPF_ALU64 | BPF_MOV | BPF_X, 0, 1, 8, 0), EXIT));
    gives("movsx 16", 0x1234,
          CODE(MOV(1, 0x51234), INSN(BPF_ALU64 | BPF_MOV | BPF_X, 0, 1, 16, 0), EXIT));
    gives("movsx 32", (uint64_t)-2,
          CODE(LD64(1, 0xfffffffe), INSN(BPF_ALU64 | BPF_MOV | BPF_X, 0, 1, 32, 0), EXIT));
    gives("32-bit movsx 8", 0xffffffff,
          CODE(MOV(1, 0xff), INSN(BPF_ALU | BPF_MOV | BPF_X, 0, 1, 8, 0), EXIT));
    gives("negation", (uint64_t)-3, CODE(MOV(0, 3), ALU(BPF_NEG, 0, 0), EXIT));
    gives("big endian 32", 0x44332211,
          CODE(LD64(0, 0x5511223344), INSN(BPF_ALU | BPF_END | BPF_X, 0, 0, 0, 32), EXIT));
    gives("bswap 64", 0x0807060504030201,
          CODE(LD64(0, 0x0102030405060708), INSN(BPF_ALU64 | BPF_END, 0, 0, 0, 64), EXIT));
}

static void jumps(void)
{
    gives("signed and unsigned comparison differ", 3,
          CODE(MOV(0, 0), MOV(1, -1), JMP(BPF_JSLT, 1, 0, 1), JA(1), ALU(BPF_OR, 0, 1),
               JMP(BPF_JGT, 1, 0, 1), JA(1), ALU(BPF_OR, 0, 2), EXIT));
    gives("32-bit comparison looks at the lower half", 1,
          CODE(MOV(0, 1), LD64(1, 0x100000000), JMP32(BPF_JEQ, 1, 0, 1), MOV(0, 0), EXIT));
    gives("a loop", 55,
          CODE(MOV(0, 0), MOV(1, 10), ALUX(BPF_ADD, 0, 1), ALU(BPF_SUB, 1, 1),
               JMP(BPF_JNE, 1, 0, -3), EXIT));
    gives("gotol", 4, CODE(MOV(0, 4), INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, 1), MOV(0, 0), EXIT));
    gives("may_goto goes on", 5,
          CODE(MOV(0, 5), INSN(BPF_JMP | 0xe0, 0, 0, 1, 0), ALU(BPF_ADD, 0, 0), EXIT));
    refuses("a jump before the code", "jump out of the handler", CODE(JA(-2), EXIT));
    refuses("a jump behind the code", "jump out of the handler", CODE(JA(5), EXIT));
    refuses("code without an end", "jump out of the handler", CODE(MOV(0, 1)));
    refuses("half a constant", "half an instruction",
            CODE(MOV(0, 1), INSN(BPF_LD | BPF_IMM | BPF_DW, 0, 0, 0, 1)));
    refuses("a jump into a constant", "unknown instruction", CODE(JA(1), LD64(0, 1), EXIT));
    refuses("a constant whose second half is none", "unknown instruction",
            CODE(INSN(BPF_LD | BPF_IMM | BPF_DW, 0, 0, 0, 1), MOV(0, 1), EXIT));
    refuses("an unknown opcode", "unknown instruction", CODE(INSN(0xff, 0, 0, 0, 0), EXIT));

    struct world w;

    tap_ok(run(&w, CODE(JA(-1))) == VM_LIMIT, "an endless loop meets the cap");
    w.vm.code_len = 1;
    tap_ok(vm_run(&w.vm, 1, 1) == VM_BAD && vm_run(&w.vm, 0xffffffff, 0xffffffff) == VM_BAD,
           "refused: a handler outside the code");
}

static void memory(void)
{
    gives("the stack, every size", 0x8877665544332211,
          CODE(LD64(1, 0x8877665544332211), STX(BPF_DW, 10, 1, -512), LDX(BPF_DW, 0, 10, -512),
               EXIT));
    gives("a byte is zero-extended", 0x88,
          CODE(ST(BPF_B, 10, -1, 0x88), LDX(BPF_B, 0, 10, -1), EXIT));
    gives("ldsx", (uint64_t)-0x78, CODE(ST(BPF_B, 10, -1, 0x88), LDSX(BPF_B, 0, 10, -1), EXIT));
    gives("ldsx 32", (uint64_t)-2, CODE(ST(BPF_W, 10, -4, -2), LDSX(BPF_W, 0, 10, -4), EXIT));
    gives("a store of an immediate is sign-extended", (uint64_t)-2,
          CODE(ST(BPF_DW, 10, -8, -2), LDX(BPF_DW, 0, 10, -8), EXIT));
    gives("the frame is in r1 and r9", 7,
          CODE(ST(BPF_DW, 9, 248, 7), LDX(BPF_DW, 0, 1, 248), EXIT));
    gives("globals, literals", 0x5a + 3,
          CODE(LDMAP(1, 0, 8), ST(BPF_W, 1, 0, 3), LDMAP(2, 1, 31), LDX(BPF_B, 0, 2, 0),
               LDX(BPF_W, 3, 1, 0), ALUX(BPF_ADD, 0, 3), EXIT));
    refuses("writing below the stack", "access outside its memory",
            CODE(ST(BPF_DW, 10, -520, 1), EXIT));
    refuses("writing above the stack", "access outside its memory",
            CODE(ST(BPF_B, 10, 0, 1), EXIT));
    refuses("straddling the stack's end", "access outside its memory",
            CODE(ST(BPF_DW, 10, -4, 1), EXIT));
    refuses("below the frame", "access outside its memory", CODE(LDX(BPF_B, 0, 9, -1), EXIT));
    refuses("above the frame", "access outside its memory", CODE(LDX(BPF_B, 0, 9, 256), EXIT));
    refuses("straddling the frame's end", "access outside its memory",
            CODE(LDX(BPF_DW, 0, 9, 250), EXIT));
    refuses("the null page", "access outside its memory",
            CODE(MOV(1, 0), LDX(BPF_DW, 0, 1, 8), EXIT));
    refuses("any old address", "access outside its memory",
            CODE(LD64(1, 0x7fff00001000), ST(BPF_B, 1, 0, 1), EXIT));
    refuses("an address of the negative half", "access outside its memory",
            CODE(MOV(1, -8), LDX(BPF_B, 0, 1, 0), EXIT));
    refuses("writing literals", "write to read-only memory",
            CODE(LDMAP(1, 1, 0), ST(BPF_B, 1, 0, 1), EXIT));
    refuses("an atomic on literals", "write to read-only memory",
            CODE(LDMAP(1, 1, 0), MOV(2, 1), ATOM(BPF_DW, 1, 2, 0, BPF_ADD), EXIT));
    refuses("a map that is not there", "unknown map", CODE(LDMAP(1, 3, 0), EXIT));
    refuses("a map by a negative number", "unknown map", CODE(LDMAP(1, -1, 0), EXIT));
    refuses("another form of ld_imm64", "unknown map",
            CODE(INSN(BPF_LD | BPF_IMM | BPF_DW, 1, 4, 0, 0), INSN(0, 0, 0, 0, 0), EXIT));
    gives(
        "r10 cannot be moved", 1,
        CODE(MOV(0, 1), ALU(BPF_ADD, 10, 4096), ST(BPF_B, 10, -1, 1), LDX(BPF_B, 0, 10, -1), EXIT));
}

static void atomics(void)
{
    gives("add", 12,
          CODE(ST(BPF_DW, 10, -8, 5), MOV(1, 7), ATOM(BPF_DW, 10, 1, -8, BPF_ADD),
               LDX(BPF_DW, 0, 10, -8), EXIT));
    gives(
        "fetch and add", 5,
        CODE(ST(BPF_DW, 10, -8, 5), MOV(0, 7), ATOM(BPF_DW, 10, 0, -8, BPF_ADD | BPF_FETCH), EXIT));
    gives("or, and, xor", 0x5,
          CODE(ST(BPF_DW, 10, -8, 1), MOV(1, 6), ATOM(BPF_DW, 10, 1, -8, BPF_OR), MOV(1, 13),
               ATOM(BPF_DW, 10, 1, -8, BPF_AND), MOV(1, 0), ATOM(BPF_DW, 10, 1, -8, BPF_XOR),
               LDX(BPF_DW, 0, 10, -8), EXIT));
    gives("exchange", 5,
          CODE(ST(BPF_DW, 10, -8, 5), MOV(0, 7), ATOM(BPF_DW, 10, 0, -8, BPF_XCHG), EXIT));
    gives("compare and exchange, equal", 8,
          CODE(ST(BPF_DW, 10, -8, 5), MOV(0, 5), MOV(1, 8), ATOM(BPF_DW, 10, 1, -8, BPF_CMPXCHG),
               LDX(BPF_DW, 0, 10, -8), EXIT));
    gives("compare and exchange, not equal", 5,
          CODE(ST(BPF_DW, 10, -8, 5), MOV(0, 4), MOV(1, 8), ATOM(BPF_DW, 10, 1, -8, BPF_CMPXCHG),
               EXIT));
    gives(
        "32-bit fetch clears the upper half", 0xffffffff,
        CODE(ST(BPF_DW, 10, -8, -1), MOV(0, 1), ATOM(BPF_W, 10, 0, -8, BPF_ADD | BPF_FETCH), EXIT));
    refuses("an unaligned atomic", "unaligned atomic access",
            CODE(MOV(1, 1), ATOM(BPF_DW, 10, 1, -12, BPF_ADD), EXIT));
    refuses("an atomic of a byte", "unknown atomic operation",
            CODE(MOV(1, 1), ATOM(BPF_B, 10, 1, -8, BPF_ADD), EXIT));
    refuses("an unknown atomic", "unknown atomic operation",
            CODE(MOV(1, 1), ATOM(BPF_DW, 10, 1, -8, 0x30), EXIT));
}

static void helpers(void)
{
    struct world w;

    gives("a helper's result", 77, CODE(MOV(0, 0), HELPER(NGS_H_PRINT), EXIT));
    run(&w,
        CODE(MOV(1, 1), MOV(2, 2), MOV(3, 3), MOV(4, 4), MOV(5, 5), HELPER(NGS_H_MAP_GET), EXIT));
    tap_ok(w.helper == NGS_H_MAP_GET && w.args[0] == 1 && w.args[4] == 5, "a helper's arguments");
    refuses("a helper behind the last", "unknown helper", CODE(HELPER(NGS_HELPER_COUNT), EXIT));
    refuses("a kernel helper", "unknown helper", CODE(INSN(BPF_JMP | BPF_CALL, 0, 0, 0, 1), EXIT));
    refuses("a subprogram", "unknown helper",
            CODE(INSN(BPF_JMP | BPF_CALL, 0, 1, 0, NGS_H_BASE), EXIT));
    refuses("a bad address handed to a helper", "access outside its memory",
            CODE(MOV(1, 0), HELPER(NGS_H_EXIT), EXIT));
    refuses("register 11", "unknown register", CODE(MOV(11, 1), EXIT));
    refuses("register 15 as a source", "unknown register", CODE(MOVX(0, 15), EXIT));
    refuses("packet loads", "unknown instruction",
            CODE(INSN(BPF_LD | BPF_ABS | BPF_W, 0, 0, 0, 0), EXIT, EXIT));
}

/* No single instruction, whatever its bits, may touch what is not the handler's (ASan watches). */
static void noise(void)
{
    uint64_t x = 0x9e3779b97f4a7c15;
    struct world w;

    for (int i = 0; i < 300000; i++) {
        struct bpf_insn code[4];

        for (int k = 0; k < 3; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            memcpy(&code[k], &x, sizeof(code[k]));
            if (i % 2)
                code[k].dst_reg %= 11, code[k].src_reg %= 11;
        }
        code[3] = EXIT;
        run(&w, code, 4);
    }
    tap_ok(true, "300,000 runs of noise stay inside");
}

int main(void)
{
    arithmetic();
    jumps();
    memory();
    atomics();
    helpers();
    noise();
    return tap_done();
}
