/*
 * text: the library's functions that look into strings: parts, bytes, search, replacement, case,
 * numbers. Enters: handles; leaves: subprograms. They do what run/ucall.c does in user space, but
 * that address marks are not replaced by names, which the kernel does not know.
 */
#include "cg/lib/lib.h"

#include <stddef.h>

#define CONTROL(field) ((uint32_t)offsetof(struct ngs_control, field))

/* ---- parts ---- */

/* (dst, src, start, n) */
static void make_part(struct cg_lib_fn *f, bool set)
{
    struct cg_asm *s = &f->s;
    uint32_t none = cg_label(s), fits = cg_label(s), done = cg_label(s);

    cg_lib_enter(f);
    cg_lib_resolve(f, R7, R2, R6, R1, true);
    cg_lib_resolve(f, R8, R3, R6, R1, false);
    if (set) {
        cg_sti(s, BPF_W, R7, 0, 0);
        cg_sti(s, BPF_B, R7, LIB_BYTES, 0);
    }
    cg_ldx(s, BPF_W, R3, R8, 0);
    cg_jmp(s, BPF_JGE, R4, R3, none); /* a start below 0, too */
    cg_jmpi(s, BPF_JSLE, R5, 0, none);
    cg_jmpi(s, BPF_JGT, R4, (int32_t)f->c->max, f->l_bad);
    cg_alu(s, BPF_SUB, R3, R4);
    cg_jmp(s, BPF_JLE, R3, R5, fits);
    cg_mov(s, R3, R5);
    cg_bind(s, fits);
    cg_jmpi(s, BPF_JGT, R3, (int32_t)f->c->max, f->l_bad);
    cg_alu(s, BPF_ADD, R8, R4);
    cg_alui(s, BPF_ADD, R8, LIB_BYTES);
    cg_ldx(s, BPF_W, R2, R7, 0);
    cg_lib_append_bytes(f, done);
    cg_bind(s, done);
    cg_bind(s, none);
    cg_lib_leave(f, 0);
}

void cg_lib_part(struct cg_lib_fn *f)
{
    make_part(f, false);
}

void cg_lib_substr(struct cg_lib_fn *f)
{
    make_part(f, true);
}

/* (string, where) */
void cg_lib_byte(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t past = cg_label(s);

    cg_lib_enter(f);
    cg_lib_resolve(f, R7, R2, R6, R4, false);
    cg_ldx(s, BPF_W, R2, R7, 0);
    cg_jmp(s, BPF_JGE, R3, R2, past);
    cg_jmpi(s, BPF_JGT, R3, (int32_t)f->c->max, past);
    cg_alu(s, BPF_ADD, R7, R3);
    cg_ldx(s, BPF_B, R0, R7, LIB_BYTES);
    cg_alui(s, BPF_LSH, R0, 56);
    cg_alui(s, BPF_ARSH, R0, 56);
    cg_exit(s);
    cg_bind(s, past);
    cg_lib_leave(f, 256);
}

/* ---- search ---- */

enum { FRAME_HOME = -8, FIRST_HOME = -16, SECOND_HOME = -24, THIRD_HOME = -32, PLACE_HOME = -40 };

/* After a loop whose turns the verifier walked: REG becomes unknown to it, so that what follows is
 * walked once. The frame is at HOME of the stack. Clobbers r1. */
static void forget(struct cg_lib_fn *f, int home, int reg)
{
    cg_ldx(&f->s, BPF_DW, R1, R10, home);
    cg_stx(&f->s, BPF_DW, R1, LIB_FRAME(private_[1]), reg);
    cg_ldx(&f->s, BPF_DW, reg, R1, LIB_FRAME(private_[1]));
}

/* (string, part, where): eight bytes at a time. r5 is where, r6 the part's length. */
void cg_lib_match(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t head, whole = cg_label(s), same = cg_label(s), differ = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R5, R4);
    cg_lib_resolve(f, R7, R2, R6, R4, false);
    cg_lib_resolve(f, R8, R3, R6, R4, false);
    cg_lib_counter(f);
    cg_ldx(s, BPF_W, R6, R8, 0);
    head = cg_here(s);
    cg_jmp(s, BPF_JGE, R9, R6, same);
    cg_jmpi(s, BPF_JGT, R9, (int32_t)f->c->max, f->l_bad);
    cg_mov(s, R1, R5);
    cg_alu(s, BPF_ADD, R1, R9);
    cg_jmpi(s, BPF_JGT, R1, (int32_t)f->c->max, f->l_bad);
    cg_alu(s, BPF_ADD, R1, R7);
    cg_ldx(s, BPF_DW, R2, R1, LIB_BYTES);
    cg_mov(s, R1, R8);
    cg_alu(s, BPF_ADD, R1, R9);
    cg_ldx(s, BPF_DW, R3, R1, LIB_BYTES);
    cg_alu(s, BPF_XOR, R2, R3);
    cg_mov(s, R4, R6);
    cg_alu(s, BPF_SUB, R4, R9);
    cg_jmpi(s, BPF_JGE, R4, 8, whole);
    cg_lib_mask_word(s, R2, R4, R1);
    cg_bind(s, whole);
    cg_jmpi(s, BPF_JNE, R2, 0, differ);
    cg_alui(s, BPF_ADD, R9, 8);
    if (f->may_goto)
        cg_may_goto(s, f->l_bad);
    cg_ja(s, head);
    cg_bind(s, same);
    cg_lib_leave(f, 1);
    cg_bind(s, differ);
    cg_lib_leave(f, 0);
}

/*
 * LIB_SOME: loops over bytes look at so many of them in a call. Where the verifier walks each turn
 * it keeps at most 8,192 branches in mind (BPF_COMPLEXITY_LIMIT_JMP_SEQ), and has a limit for all.
 */
static int32_t some_bytes(const struct cg_lib_fn *f)
{
    return f->may_goto ? 512 : 128;
}

/*
 * The function whose part SOME is: called until it says less than LIB_SOME. The start is the
 * argument in START; r7 is how far it is, then the result.
 */
static void in_parts(struct cg_lib_fn *f, enum cg_lib some, int start)
{
    struct cg_asm *s = &f->s;
    uint32_t head, none = cg_label(s), end = cg_label(s);

    cg_lib_enter(f);
    f->c->lib_regions[some] |= f->c->lib_regions[f->lib];
    cg_mov(s, R7, start);
    cg_stx(s, BPF_DW, R10, FRAME_HOME, R6);
    cg_stx(s, BPF_DW, R10, FIRST_HOME, R2);
    cg_stx(s, BPF_DW, R10, PLACE_HOME, start);
    if (start > R3)
        cg_stx(s, BPF_DW, R10, SECOND_HOME, R3);
    if (some == CG_LIB_SPAN_SOME)
        cg_stx(s, BPF_DW, R10, THIRD_HOME, R5);
    cg_lib_counter(f);
    head = cg_here(s);
    cg_jmpi(s, BPF_JGT, R9, (int32_t)f->c->max, end);
    cg_ldx(s, BPF_DW, R1, R10, FRAME_HOME);
    cg_ldx(s, BPF_DW, R2, R10, FIRST_HOME);
    if (start > R3)
        cg_ldx(s, BPF_DW, R3, R10, SECOND_HOME);
    if (some == CG_LIB_SPAN_SOME)
        cg_ldx(s, BPF_DW, R5, R10, THIRD_HOME);
    cg_mov(s, start, R7);
    cg_lib_call(f, some);
    cg_jmpi(s, BPF_JSLT, R0, 0, none);
    cg_alu(s, BPF_ADD, R7, R0);
    cg_jmpi(s, BPF_JLT, R0, some_bytes(f), end);
    cg_alui(s, BPF_ADD, R9, some_bytes(f));
    if (f->may_goto)
        cg_may_goto(s, end);
    cg_ja(s, head);
    cg_bind(s, none);
    cg_movi(s, R7, -1);
    cg_bind(s, end);
    cg_mov(s, R0, R7);
}

/* (string, part, start): each place where the part's first byte is. r6 is the last place that has
 * room for it, r8 that byte, r9 how far from the start. */
void cg_lib_find_some(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t head, next = cg_label(s), none = cg_label(s), end = cg_label(s), some = cg_label(s);

    cg_lib_enter(f);
    f->c->lib_regions[CG_LIB_MATCH] |= f->c->lib_regions[f->lib];
    cg_stx(s, BPF_DW, R10, FRAME_HOME, R6);
    cg_stx(s, BPF_DW, R10, FIRST_HOME, R2);
    cg_stx(s, BPF_DW, R10, SECOND_HOME, R3);
    cg_stx(s, BPF_DW, R10, PLACE_HOME, R4);
    cg_lib_resolve(f, R7, R2, R6, R5, false);
    cg_lib_resolve(f, R8, R3, R6, R5, false);
    cg_ldx(s, BPF_W, R2, R7, 0);
    cg_ldx(s, BPF_W, R3, R8, 0);
    cg_jmp(s, BPF_JGT, R3, R2, none);
    cg_alu(s, BPF_SUB, R2, R3);
    cg_jmp(s, BPF_JGT, R4, R2, none);
    cg_jmpi(s, BPF_JNE, R3, 0, some);
    cg_lib_leave(f, 0);
    cg_bind(s, some);
    cg_ldx(s, BPF_B, R8, R8, LIB_BYTES);
    cg_lib_counter(f);
    cg_mov(s, R6, R2);
    head = cg_here(s);
    cg_jmpi(s, BPF_JGE, R9, some_bytes(f), end);
    cg_ldx(s, BPF_DW, R4, R10, PLACE_HOME);
    cg_alu(s, BPF_ADD, R4, R9);
    cg_jmp(s, BPF_JGT, R4, R6, none);
    cg_jmpi(s, BPF_JGT, R4, (int32_t)f->c->max, none);
    cg_mov(s, R1, R7);
    cg_alu(s, BPF_ADD, R1, R4);
    cg_ldx(s, BPF_B, R2, R1, LIB_BYTES);
    cg_jmp(s, BPF_JNE, R2, R8, next);
    cg_ldx(s, BPF_DW, R1, R10, FRAME_HOME);
    cg_ldx(s, BPF_DW, R2, R10, FIRST_HOME);
    cg_ldx(s, BPF_DW, R3, R10, SECOND_HOME);
    cg_lib_call(f, CG_LIB_MATCH);
    cg_jmpi(s, BPF_JNE, R0, 0, end);
    cg_bind(s, next);
    cg_alui(s, BPF_ADD, R9, 1);
    if (f->may_goto)
        cg_may_goto(s, none);
    cg_ja(s, head);
    cg_bind(s, end);
    forget(f, FRAME_HOME, R9);
    cg_mov(s, R0, R9);
    cg_exit(s);
    cg_bind(s, none);
    cg_lib_leave(f, -1);
}

void cg_lib_find(struct cg_lib_fn *f)
{
    in_parts(f, CG_LIB_FIND_SOME, R4);
    cg_exit(&f->s);
}

/* ---- replacement ---- */

enum { TURNS_WALKED = 4096 }; /* of replacements, where the verifier walks each */
enum { DST_HOME = FIRST_HOME, SRC_HOME = SECOND_HOME, FROM_HOME = THIRD_HOME, TO_HOME = -48 };

static void load_homes(struct cg_lib_fn *f, int second, int third)
{
    cg_mov(&f->s, R1, R6);
    cg_ldx(&f->s, BPF_DW, R2, R10, second);
    cg_ldx(&f->s, BPF_DW, R3, R10, third);
}

/* (dst, src, from, to). r7 is where what is left of src begins, r8 the length of from, r9 counts
 * the turns. */
void cg_lib_replace(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t head, rest = cg_label(s), cut = cg_label(s);
    int32_t most = f->may_goto || f->c->max < TURNS_WALKED ? (int32_t)f->c->max : TURNS_WALKED;
    uint8_t regions = f->c->lib_regions[CG_LIB_REPLACE];

    f->c->lib_regions[CG_LIB_FIND] |= regions;
    f->c->lib_regions[CG_LIB_PART] |= regions;
    f->c->lib_regions[CG_LIB_APPEND] |= regions;
    cg_lib_enter(f);
    cg_stx(s, BPF_DW, R10, DST_HOME, R2);
    cg_stx(s, BPF_DW, R10, SRC_HOME, R3);
    cg_stx(s, BPF_DW, R10, FROM_HOME, R4);
    cg_stx(s, BPF_DW, R10, TO_HOME, R5);
    cg_lib_resolve(f, R7, R2, R6, R1, true);
    cg_sti(s, BPF_W, R7, 0, 0);
    cg_sti(s, BPF_B, R7, LIB_BYTES, 0);
    cg_lib_resolve(f, R8, R4, R6, R1, false);
    cg_ldx(s, BPF_W, R8, R8, 0);
    cg_movi(s, R7, 0);
    cg_lib_counter(f);
    cg_jmpi(s, BPF_JEQ, R8, 0, rest);
    head = cg_here(s);
    cg_jmpi(s, BPF_JGT, R9, most, cut);
    load_homes(f, SRC_HOME, FROM_HOME);
    cg_mov(s, R4, R7);
    cg_lib_call(f, CG_LIB_FIND);
    cg_jmpi(s, BPF_JSLT, R0, 0, rest);
    cg_stx(s, BPF_DW, R10, PLACE_HOME, R0);
    load_homes(f, DST_HOME, SRC_HOME);
    cg_mov(s, R4, R7);
    cg_mov(s, R5, R0);
    cg_alu(s, BPF_SUB, R5, R7);
    cg_lib_call(f, CG_LIB_PART);
    load_homes(f, DST_HOME, TO_HOME);
    cg_lib_call(f, CG_LIB_APPEND);
    cg_ldx(s, BPF_DW, R7, R10, PLACE_HOME);
    cg_alu(s, BPF_ADD, R7, R8);
    cg_alui(s, BPF_ADD, R9, 1);
    if (f->may_goto)
        cg_may_goto(s, rest);
    cg_ja(s, head);
    cg_bind(s, cut);
    cg_lib_count(f, CONTROL(truncated), R1, R2);
    cg_bind(s, rest);
    load_homes(f, DST_HOME, SRC_HOME);
    cg_mov(s, R4, R7);
    cg_movi(s, R5, f->c->max);
    cg_lib_call(f, CG_LIB_PART);
    cg_lib_leave(f, 0);
}

/* ---- case ---- */

/*
 * (dst, src): a copy, in which the letters from FIRST to LAST, of ASCII, change into those 32 away,
 * eight bytes at a time. A byte's low seven bits + 0x80 - FIRST have their top bit set from FIRST
 * on, + 0x7f - LAST behind LAST, and neither carries into the next byte.
 */
static void make_case(struct cg_lib_fn *f, unsigned first, unsigned last)
{
    const int64_t each = 0x0101010101010101;
    struct cg_asm *s = &f->s;
    uint32_t head, whole = cg_label(s), done = cg_label(s);

    cg_lib_enter(f);
    f->c->lib_regions[CG_LIB_COPY] |= f->c->lib_regions[f->lib];
    cg_stx(s, BPF_DW, R10, FIRST_HOME, R2);
    cg_lib_call(f, CG_LIB_COPY);
    cg_ldx(s, BPF_DW, R2, R10, FIRST_HOME);
    cg_lib_resolve(f, R7, R2, R6, R4, true);
    cg_ldx(s, BPF_W, R8, R7, 0);
    cg_lib_counter(f);
    cg_movi(s, R4, 0x7f * each);
    cg_movi(s, R5, (0x80 - first) * each);
    cg_movi(s, R6, (0x7f - last) * each);
    head = cg_here(s);
    cg_jmp(s, BPF_JGE, R9, R8, done);
    cg_jmpi(s, BPF_JGT, R9, (int32_t)f->c->max, done);
    cg_mov(s, R1, R7);
    cg_alu(s, BPF_ADD, R1, R9);
    cg_ldx(s, BPF_DW, R2, R1, LIB_BYTES);
    cg_mov(s, R3, R2);
    cg_alu(s, BPF_AND, R3, R4);
    cg_mov(s, R0, R3);
    cg_alu(s, BPF_ADD, R0, R5);
    cg_alu(s, BPF_ADD, R3, R6);
    cg_alu(s, BPF_XOR, R0, R3);
    cg_mov(s, R3, R4);
    cg_alu(s, BPF_OR, R3, R2); /* the top bit: it is no ASCII */
    cg_alui(s, BPF_XOR, R3, -1);
    cg_alu(s, BPF_AND, R0, R3);
    cg_alui(s, BPF_RSH, R0, 2); /* 0x80 -> 0x20 */
    cg_mov(s, R3, R8);
    cg_alu(s, BPF_SUB, R3, R9);
    cg_jmpi(s, BPF_JGE, R3, 8, whole);
    cg_alui(s, BPF_LSH, R3, 3); /* nothing behind the end changes */
    cg_alui(s, BPF_XOR, R3, 63);
    cg_alui(s, BPF_ADD, R3, 1);
    cg_alu(s, BPF_LSH, R0, R3);
    cg_alu(s, BPF_RSH, R0, R3);
    cg_bind(s, whole);
    cg_alu(s, BPF_XOR, R2, R0);
    cg_stx(s, BPF_DW, R1, LIB_BYTES, R2);
    cg_alui(s, BPF_ADD, R9, 8);
    if (f->may_goto)
        cg_may_goto(s, done);
    cg_ja(s, head);
    cg_bind(s, done);
    cg_lib_leave(f, 0);
}

void cg_lib_lower(struct cg_lib_fn *f)
{
    make_case(f, 'A', 'Z');
}

void cg_lib_upper(struct cg_lib_fn *f)
{
    make_case(f, 'a', 'z');
}

/* ---- sets ---- */

/* r3 = its byte eight times; r4 and r5 are what find_byte() wants. */
static void byte_to_find(struct cg_asm *s)
{
    const int64_t each = 0x0101010101010101;

    cg_movi(s, R4, each);
    cg_movi(s, R5, 0x8080808080808080);
    cg_alu(s, BPF_MUL, R3, R4);
}

/* r0 = the top bit of each byte in which r2 equals r3; above the first one others may be, too. */
static void find_byte(struct cg_asm *s)
{
    cg_alu(s, BPF_XOR, R2, R3);
    cg_mov(s, R0, R2);
    cg_alu(s, BPF_SUB, R0, R4);
    cg_alui(s, BPF_XOR, R2, -1);
    cg_alu(s, BPF_AND, R0, R2);
    cg_alu(s, BPF_AND, R0, R5);
}

enum { SET_MAX = 64 }; /* bytes of a set, which is a literal of the tapset's: no more are seen */

/* (set, byte): eight bytes of the set at a time, less the byte: is one of them 0? */
void cg_lib_in_set(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t head, yes = cg_label(s), no = cg_label(s), whole = cg_label(s);

    cg_lib_enter(f);
    cg_lib_resolve(f, R7, R2, R6, R4, false);
    cg_ldx(s, BPF_W, R8, R7, 0);
    cg_lib_counter(f);
    cg_alui(s, BPF_AND, R3, 0xff);
    byte_to_find(s);
    head = cg_here(s);
    cg_jmp(s, BPF_JGE, R9, R8, no);
    cg_jmpi(s, BPF_JGE, R9, f->c->max < SET_MAX ? (int32_t)f->c->max : SET_MAX, no);
    cg_mov(s, R1, R7);
    cg_alu(s, BPF_ADD, R1, R9);
    cg_ldx(s, BPF_DW, R2, R1, LIB_BYTES);
    find_byte(s);
    cg_mov(s, R1, R8);
    cg_alu(s, BPF_SUB, R1, R9);
    cg_jmpi(s, BPF_JGE, R1, 8, whole);
    cg_lib_mask_word(s, R0, R1, R2);
    cg_bind(s, whole);
    cg_jmpi(s, BPF_JNE, R0, 0, yes);
    cg_alui(s, BPF_ADD, R9, 8);
    if (f->may_goto)
        cg_may_goto(s, no);
    cg_ja(s, head);
    cg_bind(s, yes);
    cg_lib_leave(f, 1);
    cg_bind(s, no);
    cg_lib_leave(f, 0);
}

/* r3 = byte r9 from the start on of the string at r7; to END behind the last one. */
static void next_byte(struct cg_lib_fn *f, uint32_t end)
{
    struct cg_asm *s = &f->s;

    cg_jmpi(s, BPF_JGE, R9, some_bytes(f), end);
    cg_ldx(s, BPF_DW, R1, R10, PLACE_HOME);
    cg_alu(s, BPF_ADD, R1, R9);
    cg_ldx(s, BPF_W, R2, R7, 0);
    cg_jmp(s, BPF_JGE, R1, R2, end);
    cg_jmpi(s, BPF_JGT, R1, (int32_t)f->c->max, end);
    cg_alu(s, BPF_ADD, R1, R7);
    cg_ldx(s, BPF_B, R3, R1, LIB_BYTES);
}

static void step_and_leave(struct cg_lib_fn *f, uint32_t head, uint32_t end)
{
    struct cg_asm *s = &f->s;

    cg_alui(s, BPF_ADD, R9, 1);
    if (f->may_goto)
        cg_may_goto(s, end);
    cg_ja(s, head);
    cg_bind(s, end);
    forget(f, FRAME_HOME, R9);
    cg_mov(s, R0, R9);
    cg_exit(s);
}

/*
 * Up to one byte, which a set of one byte ends: eight bytes at a time, as in_set asks them. r9 is
 * how far from the start, r8 how many bytes are left there. Goes on behind it for other sets.
 */
static void span_words(struct cg_lib_fn *f, uint32_t end)
{
    struct cg_asm *s = &f->s;
    uint32_t head, other = cg_label(s), whole = cg_label(s), inside = cg_label(s),
                   more = cg_label(s);

    cg_jmpi(s, BPF_JNE, R8, 1, other);
    cg_ldx(s, BPF_DW, R3, R10, SECOND_HOME);
    cg_lib_resolve(f, R1, R3, R6, R4, false);
    cg_ldx(s, BPF_W, R2, R1, 0);
    cg_jmpi(s, BPF_JNE, R2, 1, other);
    cg_ldx(s, BPF_B, R3, R1, LIB_BYTES);
    byte_to_find(s);
    head = cg_here(s);
    cg_jmpi(s, BPF_JGE, R9, some_bytes(f), end);
    cg_ldx(s, BPF_DW, R1, R10, PLACE_HOME);
    cg_alu(s, BPF_ADD, R1, R9);
    cg_jmpi(s, BPF_JGT, R1, (int32_t)f->c->max, end);
    cg_ldx(s, BPF_W, R8, R7, 0);
    cg_alu(s, BPF_SUB, R8, R1);
    cg_jmpi(s, BPF_JSLE, R8, 0, end);
    cg_alu(s, BPF_ADD, R1, R7);
    cg_ldx(s, BPF_DW, R2, R1, LIB_BYTES);
    find_byte(s);
    cg_jmpi(s, BPF_JGE, R8, 8, whole);
    cg_lib_mask_word(s, R0, R8, R2);
    cg_bind(s, whole);
    cg_jmpi(s, BPF_JNE, R0, 0, inside);
    cg_jmpi(s, BPF_JGE, R8, 8, more);
    cg_alu(s, BPF_ADD, R9, R8);
    cg_ja(s, end);
    cg_bind(s, more);
    cg_alui(s, BPF_ADD, R9, 8);
    if (f->may_goto)
        cg_may_goto(s, end);
    cg_ja(s, head);
    cg_bind(s, inside);
    for (int k = 0; k < 7; k++) {
        cg_jmpi(s, BPF_JSET, R0, 0x80, end);
        cg_alui(s, BPF_RSH, R0, 8);
        cg_alui(s, BPF_ADD, R9, 1);
    }
    cg_ja(s, end);
    cg_bind(s, other);
}

/* (string, set, start, others): r8 is the answer of in_set that ends it. */
void cg_lib_span_some(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t head, end = cg_label(s);

    cg_lib_enter(f);
    f->c->lib_regions[CG_LIB_IN_SET] |= f->c->lib_regions[f->lib];
    cg_stx(s, BPF_DW, R10, FRAME_HOME, R6);
    cg_stx(s, BPF_DW, R10, SECOND_HOME, R3);
    cg_stx(s, BPF_DW, R10, PLACE_HOME, R4);
    cg_lib_resolve(f, R7, R2, R6, R4, false);
    cg_mov(s, R8, R5);
    cg_lib_counter(f);
    span_words(f, end);
    head = cg_here(s);
    next_byte(f, end);
    cg_mov(s, R1, R6);
    cg_ldx(s, BPF_DW, R2, R10, SECOND_HOME);
    cg_lib_call(f, CG_LIB_IN_SET);
    cg_jmp(s, BPF_JEQ, R0, R8, end);
    step_and_leave(f, head, end);
}

/* (string, start): printable bytes of ASCII, but " and \. */
void cg_lib_plain_some(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t head, end = cg_label(s);

    cg_lib_enter(f);
    cg_stx(s, BPF_DW, R10, FRAME_HOME, R6);
    cg_stx(s, BPF_DW, R10, PLACE_HOME, R3);
    cg_lib_resolve(f, R7, R2, R6, R4, false);
    cg_lib_counter(f);
    head = cg_here(s);
    next_byte(f, end);
    cg_alui(s, BPF_SUB, R3, ' ');
    cg_jmpi(s, BPF_JGT, R3, '~' - ' ', end);
    cg_jmpi(s, BPF_JEQ, R3, '"' - ' ', end);
    cg_jmpi(s, BPF_JEQ, R3, '\\' - ' ', end);
    step_and_leave(f, head, end);
}

/* How far it comes from the start on: r7 is the place where it ends. */
static void leave_span(struct cg_lib_fn *f)
{
    cg_ldx(&f->s, BPF_DW, R1, R10, PLACE_HOME);
    cg_alu(&f->s, BPF_SUB, R0, R1);
    cg_exit(&f->s);
}

void cg_lib_span(struct cg_lib_fn *f)
{
    in_parts(f, CG_LIB_SPAN_SOME, R4);
    leave_span(f);
}

void cg_lib_plain(struct cg_lib_fn *f)
{
    in_parts(f, CG_LIB_PLAIN_SOME, R3);
    leave_span(f);
}

/* ---- regular expressions (abi.h) ---- */

/* DST = the address in the literals AT bytes from their start; to BAD where they end. */
static void literal_at(struct cg_lib_fn *f, int dst, int at, uint32_t bad)
{
    cg_jmpi(&f->s, BPF_JGT, at, (int32_t)f->c->rodata_lits, bad);
    cg_value(&f->s, dst, CG_RODATA, 0);
    cg_alu(&f->s, BPF_ADD, dst, at);
}

/* (string, table, start, state): r8 is the state. */
void cg_lib_regex_some(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t head, end = cg_label(s);

    cg_lib_enter(f);
    cg_alui(s, BPF_AND, R3, (1 << CG_HANDLE_SHIFT) - 1);
    cg_alui(s, BPF_ADD, R3, LIB_BYTES);
    cg_stx(s, BPF_DW, R10, SECOND_HOME, R3);
    cg_stx(s, BPF_DW, R10, PLACE_HOME, R4);
    cg_mov(s, R8, R5);
    cg_jmpi(s, BPF_JGT, R8, 0xffff, f->l_bad);
    cg_lib_resolve(f, R7, R2, R6, R4, false);
    cg_lib_counter(f);
    head = cg_here(s);
    next_byte(f, end);
    cg_ldx(s, BPF_DW, R1, R10, SECOND_HOME);
    cg_alu(s, BPF_ADD, R3, R1);
    literal_at(f, R4, R3, end);
    cg_ldx(s, BPF_B, R3, R4, 0);
    cg_alu(s, BPF_ADD, R8, R3);
    cg_alui(s, BPF_LSH, R8, 1);
    cg_alu(s, BPF_ADD, R8, R1);
    literal_at(f, R4, R8, f->l_bad);
    cg_ldx(s, BPF_H, R8, R4, 2); /* behind what the row begins with */
    cg_jmpi(s, BPF_JLT, R8, NGS_REGEX_ROWS, end);
    cg_alui(s, BPF_ADD, R9, 1);
    if (f->may_goto)
        cg_may_goto(s, end);
    cg_ja(s, head);
    cg_bind(s, end);
    cg_mov(s, R0, R8);
    cg_exit(s);
}

/* (string, table): r7 is the state, r8 how far it is, r9 the same for the verifier. */
void cg_lib_regex(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t head, end = cg_label(s), known = cg_label(s);

    cg_lib_enter(f);
    f->c->lib_regions[CG_LIB_REGEX_SOME] |= f->c->lib_regions[f->lib];
    cg_stx(s, BPF_DW, R10, FRAME_HOME, R6);
    cg_stx(s, BPF_DW, R10, FIRST_HOME, R2);
    cg_stx(s, BPF_DW, R10, SECOND_HOME, R3);
    cg_lib_resolve(f, R7, R2, R6, R4, false);
    cg_ldx(s, BPF_W, R7, R7, 0);
    cg_stx(s, BPF_DW, R10, PLACE_HOME, R7);
    cg_movi(s, R7, NGS_REGEX_ROWS);
    cg_movi(s, R8, 0);
    cg_lib_counter(f);
    head = cg_here(s);
    cg_jmpi(s, BPF_JGT, R9, (int32_t)f->c->max, end);
    cg_ldx(s, BPF_DW, R1, R10, FRAME_HOME);
    cg_ldx(s, BPF_DW, R2, R10, FIRST_HOME);
    cg_ldx(s, BPF_DW, R3, R10, SECOND_HOME);
    cg_mov(s, R4, R8);
    cg_mov(s, R5, R7);
    cg_lib_call(f, CG_LIB_REGEX_SOME);
    cg_mov(s, R7, R0);
    cg_jmpi(s, BPF_JLT, R7, NGS_REGEX_ROWS, end);
    cg_alui(s, BPF_ADD, R8, some_bytes(f));
    cg_ldx(s, BPF_DW, R1, R10, PLACE_HOME);
    cg_jmp(s, BPF_JGE, R8, R1, end);
    cg_alui(s, BPF_ADD, R9, some_bytes(f));
    if (f->may_goto)
        cg_may_goto(s, end);
    cg_ja(s, head);
    cg_bind(s, end);
    cg_mov(s, R0, R7);
    cg_jmpi(s, BPF_JLT, R7, NGS_REGEX_ROWS, known);
    cg_jmpi(s, BPF_JGT, R7, 0xffff, f->l_bad);
    cg_ldx(s, BPF_DW, R1, R10, SECOND_HOME);
    cg_alui(s, BPF_AND, R1, (1 << CG_HANDLE_SHIFT) - 1);
    cg_alui(s, BPF_LSH, R7, 1);
    cg_alu(s, BPF_ADD, R1, R7);
    literal_at(f, R4, R1, f->l_bad);
    cg_ldx(s, BPF_H, R0, R4, LIB_BYTES);
    cg_bind(s, known);
    cg_exit(s);
}

/* ---- numbers ---- */

enum { DIGITS_WALKED = 72 }; /* likewise: more than any number has */

/* DIGIT = the value of the hexadecimal digit in BYTE; to NO when it is none. */
static void hex_digit(struct cg_asm *s, int digit, int byte, uint32_t no)
{
    uint32_t have = cg_label(s);

    cg_mov(s, digit, byte);
    cg_alui(s, BPF_SUB, digit, '0');
    cg_jmpi(s, BPF_JLE, digit, 9, have);
    cg_mov(s, digit, byte);
    cg_alui(s, BPF_OR, digit, 32);
    cg_alui(s, BPF_SUB, digit, 'a' - 10);
    cg_jmpi(s, BPF_JLT, digit, 10, no);
    cg_jmpi(s, BPF_JGT, digit, 15, no);
    cg_bind(s, have);
}

/* r1 = the string's byte at r5, less LIB_BYTES; r5 is 0 to 3. */
static void at_start(struct cg_lib_fn *f)
{
    cg_jmpi(&f->s, BPF_JGT, R5, 3, f->l_bad);
    cg_mov(&f->s, R1, R7);
    cg_alu(&f->s, BPF_ADD, R1, R5);
}

/* (string, base): the kernel's simple_strtol. r5 is where the digits begin, r4 the sign, r8 the
 * base; a string's NUL ends it. */
void cg_lib_number(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t head, positive = cg_label(s), based = cg_label(s), digits = cg_label(s);
    uint32_t end = cg_label(s), plus = cg_label(s);
    int32_t most = f->may_goto || f->c->max < DIGITS_WALKED ? (int32_t)f->c->max : DIGITS_WALKED;

    cg_lib_enter(f);
    cg_lib_resolve(f, R7, R2, R6, R4, false);
    cg_stx(s, BPF_DW, R10, FRAME_HOME, R6);
    cg_mov(s, R8, R3);
    cg_movi(s, R4, 0);
    cg_movi(s, R5, 0);
    cg_ldx(s, BPF_B, R2, R7, LIB_BYTES);
    cg_jmpi(s, BPF_JNE, R2, '-', positive);
    cg_movi(s, R4, 1);
    cg_movi(s, R5, 1);
    cg_bind(s, positive);
    at_start(f);
    cg_jmpi(s, BPF_JNE, R8, 0, based);
    cg_movi(s, R8, 10);
    cg_ldx(s, BPF_B, R2, R1, LIB_BYTES);
    cg_jmpi(s, BPF_JNE, R2, '0', based);
    cg_movi(s, R8, 8);
    cg_ldx(s, BPF_B, R2, R1, LIB_BYTES + 1);
    cg_alui(s, BPF_OR, R2, 32);
    cg_jmpi(s, BPF_JNE, R2, 'x', based);
    cg_ldx(s, BPF_B, R2, R1, LIB_BYTES + 2);
    hex_digit(s, R3, R2, based);
    cg_movi(s, R8, 16);
    cg_bind(s, based);
    cg_jmpi(s, BPF_JNE, R8, 16, digits);
    cg_ldx(s, BPF_B, R2, R1, LIB_BYTES);
    cg_jmpi(s, BPF_JNE, R2, '0', digits);
    cg_ldx(s, BPF_B, R2, R1, LIB_BYTES + 1);
    cg_alui(s, BPF_OR, R2, 32);
    cg_jmpi(s, BPF_JNE, R2, 'x', digits);
    cg_alui(s, BPF_ADD, R5, 2);
    cg_bind(s, digits);
    forget(f, FRAME_HOME, R4);
    forget(f, FRAME_HOME, R5);
    forget(f, FRAME_HOME, R8);
    at_start(f);
    cg_mov(s, R7, R1);
    cg_lib_counter(f);
    cg_movi(s, R0, 0);
    head = cg_here(s);
    cg_jmpi(s, BPF_JGT, R9, most, end);
    cg_mov(s, R1, R7);
    cg_alu(s, BPF_ADD, R1, R9);
    cg_ldx(s, BPF_B, R2, R1, LIB_BYTES);
    hex_digit(s, R3, R2, end);
    cg_jmp(s, BPF_JSGE, R3, R8, end);
    cg_alu(s, BPF_MUL, R0, R8);
    cg_alu(s, BPF_ADD, R0, R3);
    cg_alui(s, BPF_ADD, R9, 1);
    if (f->may_goto)
        cg_may_goto(s, end);
    cg_ja(s, head);
    cg_bind(s, end);
    cg_jmpi(s, BPF_JEQ, R4, 0, plus);
    cg_neg(s, R0);
    cg_bind(s, plus);
    cg_exit(s);
}
