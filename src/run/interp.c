/*
 * interp: runs the BPF instructions of handlers and rests in user space. Enters: instructions
 * as cg wrote them or as a damaged or hostile file holds them, which nobody has checked before;
 * leaves: their effect on the regions of the vm and what the helpers did. Refused, by ending the
 * handler with a reason: every access outside a region, writes to read-only ones, jumps out of the
 * handler, unknown instructions (docs/security.md).
 *
 * The instruction set is that of RFC 9669 less what has no use here: legacy packet loads, calls of
 * subprograms (script functions are jumps, docs/architecture.md) and other ld_imm64 forms than user
 * maps.
 */
#include "run/interp.h"

#include <endian.h>
#include <string.h>

#include <linux/bpf.h>

#include "base/abi.h"
#include "load/load.h"

/* Newer than the kernel headers of the oldest build host: RFC 9669 sections 4.3, 5.2. */
#ifndef BPF_MEMSX
#define BPF_MEMSX 0x80
#endif
#ifndef BPF_JCOND
#define BPF_JCOND 0xe0
#endif

enum { POLL_EVERY = 1 << 16 };

void *vm_at(struct vm *vm, uint64_t addr, uint64_t size, bool write)
{
    uint64_t region = addr >> 32, off = addr & 0xffffffff;

    if (region == VM_NONE || region >= VM_REGIONS || off > vm->mem[region].size ||
        size > vm->mem[region].size - off) {
        vm->fault = "access outside its memory";
        vm->fault_addr = addr;
        return NULL;
    }
    if (write && vm->mem[region].read_only) {
        vm->fault = "write to read-only memory";
        vm->fault_addr = addr;
        return NULL;
    }
    return vm->mem[region].base + off;
}

static bool bad(struct vm *vm, const char *why)
{
    vm->fault = why;
    return false;
}

/* ---- arithmetic ---- */

static uint64_t sign_extend(uint64_t v, unsigned bits)
{
    return bits == 8    ? (uint64_t)(int64_t)(int8_t)v
           : bits == 16 ? (uint64_t)(int64_t)(int16_t)v
           : bits == 32 ? (uint64_t)(int64_t)(int32_t)v
                        : v;
}

/* Division as BPF defines it: by zero gives 0, modulo zero leaves the dividend, nothing traps. */
static uint64_t divide(uint64_t a, uint64_t b, bool is_signed, bool mod, bool wide)
{
    if (b == 0)
        return mod ? a : 0;
    if (!is_signed)
        return mod ? a % b : a / b;

    int64_t x = (int64_t)a, y = (int64_t)b;

    if (!wide) {
        x = (int32_t)a;
        y = (int32_t)b;
    }
    if (y == -1)
        return mod ? 0 : -(uint64_t)x;
    return (uint64_t)(mod ? x % y : x / y);
}

static bool byte_swap(struct vm *vm, const struct bpf_insn *in, uint64_t *dst)
{
    bool always =
        BPF_CLASS(in->code) == BPF_ALU64; /* bswap; else to little (K) or big (X) endian */
    bool swap = always || BPF_SRC(in->code) == BPF_X;

    switch (in->imm) {
    case 16:
        *dst = swap ? __builtin_bswap16((uint16_t)*dst) : (uint16_t)*dst;
        return true;
    case 32:
        *dst = swap ? __builtin_bswap32((uint32_t)*dst) : (uint32_t)*dst;
        return true;
    case 64:
        *dst = swap ? __builtin_bswap64(*dst) : *dst;
        return true;
    }
    return bad(vm, "unknown byte swap");
}

static bool alu(struct vm *vm, const struct bpf_insn *in, uint64_t *reg)
{
    bool wide = BPF_CLASS(in->code) == BPF_ALU64;
    uint64_t a = reg[in->dst_reg];
    uint64_t b = BPF_SRC(in->code) == BPF_X ? reg[in->src_reg] : (uint64_t)(int64_t)in->imm;
    unsigned mask = wide ? 63 : 31;

    if (BPF_OP(in->code) == BPF_END)
        return byte_swap(vm, in, &reg[in->dst_reg]);
    if (!wide) {
        a = (uint32_t)a;
        b = (uint32_t)b;
    }
    switch (BPF_OP(in->code)) {
    case BPF_ADD:
        a += b;
        break;
    case BPF_SUB:
        a -= b;
        break;
    case BPF_MUL:
        a *= b;
        break;
    case BPF_DIV:
    case BPF_MOD:
        if (in->off != 0 && in->off != 1)
            return bad(vm, "unknown instruction");
        a = divide(a, b, in->off == 1, BPF_OP(in->code) == BPF_MOD, wide);
        break;
    case BPF_OR:
        a |= b;
        break;
    case BPF_AND:
        a &= b;
        break;
    case BPF_XOR:
        a ^= b;
        break;
    case BPF_LSH:
        a <<= b & mask;
        break;
    case BPF_RSH:
        a >>= b & mask;
        break;
    case BPF_ARSH:
        a = wide ? (uint64_t)((int64_t)a >> (b & mask)) : (uint64_t)((int32_t)a >> (b & mask));
        break;
    case BPF_NEG:
        a = -a;
        break;
    case BPF_MOV:
        if (in->off != 0 &&
            (BPF_SRC(in->code) != BPF_X || (in->off != 8 && in->off != 16 && in->off != 32)))
            return bad(vm, "unknown instruction");
        a = in->off ? sign_extend(b, (unsigned)in->off) : b;
        break;
    default:
        return bad(vm, "unknown instruction");
    }
    reg[in->dst_reg] = wide ? a : (uint32_t)a;
    return true;
}

/* ---- jumps ---- */

static bool holds(uint8_t code, uint64_t a, uint64_t b, bool *known)
{
    bool wide = BPF_CLASS(code) == BPF_JMP;
    int64_t sa = wide ? (int64_t)a : (int32_t)a, sb = wide ? (int64_t)b : (int32_t)b;

    if (!wide) {
        a = (uint32_t)a;
        b = (uint32_t)b;
    }
    *known = true;
    switch (BPF_OP(code)) {
    case BPF_JEQ:
        return a == b;
    case BPF_JNE:
        return a != b;
    case BPF_JGT:
        return a > b;
    case BPF_JGE:
        return a >= b;
    case BPF_JLT:
        return a < b;
    case BPF_JLE:
        return a <= b;
    case BPF_JSET:
        return (a & b) != 0;
    case BPF_JSGT:
        return sa > sb;
    case BPF_JSGE:
        return sa >= sb;
    case BPF_JSLT:
        return sa < sb;
    case BPF_JSLE:
        return sa <= sb;
    }
    *known = false;
    return false;
}

/* ---- memory ---- */

static unsigned width(uint8_t code)
{
    switch (BPF_SIZE(code)) {
    case BPF_B:
        return 1;
    case BPF_H:
        return 2;
    case BPF_W:
        return 4;
    }
    return 8;
}

/* N is 1, 2, 4 or 8; the switch makes four plain accesses of it where memcpy would be a call. */
static uint64_t get(const void *p, unsigned n)
{
    uint16_t h;
    uint32_t w;
    uint64_t d;

    switch (n) {
    case 1:
        return *(const uint8_t *)p;
    case 2:
        memcpy(&h, p, 2);
        return le16toh(h);
    case 4:
        memcpy(&w, p, 4);
        return le32toh(w);
    }
    memcpy(&d, p, 8);
    return le64toh(d);
}

static void set(void *p, uint64_t v, unsigned n)
{
    uint64_t le = htole64(v);

    switch (n) {
    case 1:
        memcpy(p, &le, 1);
        return;
    case 2:
        memcpy(p, &le, 2);
        return;
    case 4:
        memcpy(p, &le, 4);
        return;
    }
    memcpy(p, &le, 8);
}

static bool load(struct vm *vm, const struct bpf_insn *in, uint64_t *reg)
{
    bool is_signed = BPF_MODE(in->code) == BPF_MEMSX;
    unsigned n = width(in->code);
    uint64_t v;

    if ((BPF_MODE(in->code) != BPF_MEM && !is_signed) || (is_signed && n == 8))
        return bad(vm, "unknown instruction");

    const void *p = vm_at(vm, reg[in->src_reg] + (uint64_t)(int64_t)in->off, n, false);

    if (!p)
        return false;
    v = get(p, n);
    reg[in->dst_reg] = is_signed ? sign_extend(v, n * 8) : v;
    return true;
}

/*
 * Control and globals are shared with the programs in the kernel, so these are real atomics.
 * SRC is replaced by the old value where the instruction fetches.
 */
#define ATOMIC(type, p, in, reg, known)                                                            \
    do {                                                                                           \
        type src_ = (type)(reg)[(in)->src_reg], old_ = 0;                                          \
        switch ((in)->imm & ~BPF_FETCH) {                                                          \
        case BPF_ADD:                                                                              \
            old_ = __atomic_fetch_add((type *)(p), src_, __ATOMIC_SEQ_CST);                        \
            break;                                                                                 \
        case BPF_OR:                                                                               \
            old_ = __atomic_fetch_or((type *)(p), src_, __ATOMIC_SEQ_CST);                         \
            break;                                                                                 \
        case BPF_AND:                                                                              \
            old_ = __atomic_fetch_and((type *)(p), src_, __ATOMIC_SEQ_CST);                        \
            break;                                                                                 \
        case BPF_XOR:                                                                              \
            old_ = __atomic_fetch_xor((type *)(p), src_, __ATOMIC_SEQ_CST);                        \
            break;                                                                                 \
        case BPF_XCHG & ~BPF_FETCH:                                                                \
            old_ = __atomic_exchange_n((type *)(p), src_, __ATOMIC_SEQ_CST);                       \
            break;                                                                                 \
        case BPF_CMPXCHG & ~BPF_FETCH:                                                             \
            old_ = (type)(reg)[0];                                                                 \
            __atomic_compare_exchange_n((type *)(p), &old_, src_, false, __ATOMIC_SEQ_CST,         \
                                        __ATOMIC_SEQ_CST);                                         \
            break;                                                                                 \
        default:                                                                                   \
            (known) = false;                                                                       \
        }                                                                                          \
        if ((known) && (in)->imm == BPF_CMPXCHG)                                                   \
            (reg)[0] = old_;                                                                       \
        else if ((known) && ((in)->imm & BPF_FETCH))                                               \
            (reg)[(in)->src_reg] = old_;                                                           \
    } while (0)

static bool atomic(struct vm *vm, const struct bpf_insn *in, uint64_t *reg)
{
    unsigned n = width(in->code);
    bool known = n >= 4;
    void *p = vm_at(vm, reg[in->dst_reg] + (uint64_t)(int64_t)in->off, n, true);

    if (!p)
        return false;
    if ((uintptr_t)p % n)
        return bad(vm, "unaligned atomic access");
    /* exchanges without FETCH do not exist */
    if ((in->imm & ~BPF_FETCH) >= (BPF_XCHG & ~BPF_FETCH) && !(in->imm & BPF_FETCH))
        known = false;
    if (known && n == 8)
        ATOMIC(uint64_t, p, in, reg, known);
    else if (known)
        ATOMIC(uint32_t, p, in, reg, known);
    return known || bad(vm, "unknown atomic operation");
}

static bool store(struct vm *vm, const struct bpf_insn *in, uint64_t *reg)
{
    unsigned n = width(in->code);
    bool imm = BPF_CLASS(in->code) == BPF_ST;

    if (!imm && BPF_MODE(in->code) == BPF_ATOMIC)
        return atomic(vm, in, reg);
    if (BPF_MODE(in->code) != BPF_MEM)
        return bad(vm, "unknown instruction");

    void *p = vm_at(vm, reg[in->dst_reg] + (uint64_t)(int64_t)in->off, n, true);

    if (!p)
        return false;
    set(p, imm ? (uint64_t)(int64_t)in->imm : reg[in->src_reg], n);
    return true;
}

/* ld_imm64: a constant, or the address of a value of enum user_map. */
static bool load_imm(struct vm *vm, const struct bpf_insn *in, uint64_t *reg)
{
    static const uint8_t regions[] = {
        [USER_MAP_GLOBALS] = VM_GLOBALS,
        [USER_MAP_RODATA] = VM_RODATA,
        [USER_MAP_CONTROL] = VM_CONTROL,
    };

    if (in->code != (BPF_LD | BPF_IMM | BPF_DW) || in[1].code != 0)
        return bad(vm, "unknown instruction");
    if (in->src_reg == 0)
        reg[in->dst_reg] = (uint32_t)in->imm | (uint64_t)(uint32_t)in[1].imm << 32;
    else if (in->src_reg == 1 && (uint32_t)in->imm < sizeof(regions))
        reg[in->dst_reg] = vm_addr(regions[in->imm], (uint32_t)in[1].imm);
    else
        return bad(vm, "unknown map");
    return true;
}

static bool call(struct vm *vm, const struct bpf_insn *in, uint64_t *reg)
{
    uint32_t number = (uint32_t)in->imm - NGS_H_BASE;

    if (in->src_reg != 0 || number >= NGS_HELPER_COUNT)
        return bad(vm, "unknown helper");
    reg[0] = vm->helper(vm, number, reg + 1);
    return !vm->fault;
}

/* What to do with each class; jumps are vm_run's own. */
typedef bool (*exec_fn)(struct vm *vm, const struct bpf_insn *in, uint64_t *reg);

static const exec_fn classes[8] = {
    [BPF_LD] = load_imm, [BPF_LDX] = load, [BPF_ST] = store,
    [BPF_STX] = store,   [BPF_ALU] = alu,  [BPF_ALU64] = alu,
};

static bool jump(struct vm *vm, const struct bpf_insn *in, const uint64_t *reg, int64_t *next)
{
    bool known = true, taken;

    switch (BPF_OP(in->code)) {
    case BPF_JA: /* JMP32: the distance is in imm (gotol) */
        *next += BPF_CLASS(in->code) == BPF_JMP ? in->off : in->imm;
        return true;
    case BPF_JCOND: /* may_goto: the budget that the kernel would end is never used up here */
        return true;
    }
    taken =
        holds(in->code, reg[in->dst_reg],
              BPF_SRC(in->code) == BPF_X ? reg[in->src_reg] : (uint64_t)(int64_t)in->imm, &known);
    if (taken)
        *next += in->off;
    return known || bad(vm, "unknown instruction");
}

static enum vm_end run(struct vm *vm, const struct bpf_insn *code, int64_t n, int64_t *at)
{
    uint64_t reg[16] = {0}; /* 11 are used; 16 so that a 4-bit field is always an index */
    uint64_t left = vm->cap;
    int64_t pc = 0, next;

    reg[1] = reg[9] = vm_addr(VM_FRAME, 0);
    for (;; pc = next) {
        *at = pc;
        if (pc < 0 || pc >= n) {
            vm->fault = "jump out of the handler";
            return VM_BAD;
        }
        if (left-- == 0)
            return VM_LIMIT;
        if (left % POLL_EVERY == 0 && vm->poll && vm->poll(vm->ctx))
            return VM_ABORTED;

        const struct bpf_insn *in = code + pc;
        uint8_t class = BPF_CLASS(in->code);

        next = pc + 1;
        reg[10] = vm_addr(VM_STACK, VM_STACK_SIZE); /* whatever the handler does to it */
        if (in->dst_reg > 10 || in->src_reg > 10) {
            vm->fault = "unknown register";
            return VM_BAD;
        }
        if (class == BPF_LD && ++next > n) {
            vm->fault = "half an instruction";
            return VM_BAD;
        }
        if (in->code == (BPF_JMP | BPF_EXIT)) {
            vm->result = reg[0];
            return VM_DONE;
        }
        if (in->code == (BPF_JMP | BPF_CALL)) {
            if (!call(vm, in, reg))
                return VM_BAD;
        } else if (classes[class]) {
            if (!classes[class](vm, in, reg))
                return VM_BAD;
        } else if (!jump(vm, in, reg, &next)) {
            return VM_BAD;
        }
    }
}

enum vm_end vm_run(struct vm *vm, uint32_t off, uint32_t n)
{
    uint8_t stack[VM_STACK_SIZE] __attribute__((aligned(8))) = {0};
    int64_t at = 0;
    enum vm_end end;

    vm->fault = NULL;
    vm->fault_addr = 0;
    if (off > vm->code_len || n > vm->code_len - off) {
        vm->fault = "handler outside the code";
        return VM_BAD;
    }
    vm->mem[VM_STACK] = (struct vm_memory){stack, sizeof(stack), false};
    end = run(vm, (const struct bpf_insn *)(vm->code + off), n, &at);
    vm->mem[VM_STACK] = (struct vm_memory){0};
    vm->fault_pc = off + (uint32_t)(at < 0 ? 0 : at);
    return end;
}
