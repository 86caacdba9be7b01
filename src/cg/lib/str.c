/*
 * str: the library's strings: append, copy, read from memory, hash, compare, fill. Enters:
 * handles; leaves: subprograms. Copies are exact to the byte: nothing behind a string's end is
 * touched but its NUL.
 */
#include "cg/lib/lib.h"

#include <stddef.h>

#define CONTROL(field) ((uint32_t)offsetof(struct ngs_control, field))

enum { SHORT_COPY = 64 /* bytes up to which words beat the helper */ };

static void copy_at(struct cg_asm *s, int size, int off)
{
    cg_ldx(s, size, R2, R8, off);
    cg_stx(s, size, R1, off, R2);
}

/* r1 and r8 += r3 - N: the last N bytes, which may overlap what was copied before. */
static void to_last(struct cg_asm *s, int n)
{
    cg_mov(s, R4, R3);
    cg_alui(s, BPF_SUB, R4, n);
    cg_alu(s, BPF_ADD, R8, R4);
    cg_alu(s, BPF_ADD, R1, R4);
}

void cg_lib_copy_bytes(struct cg_lib_fn *f, uint32_t done)
{
    struct cg_asm *s = &f->s;
    uint32_t large = cg_label(s), words = cg_label(s), four = cg_label(s), last = cg_label(s);

    cg_jmpi(s, BPF_JGT, R3, SHORT_COPY, large);
    cg_jmpi(s, BPF_JGE, R3, 8, words);
    cg_jmpi(s, BPF_JGE, R3, 4, four);
    cg_jmpi(s, BPF_JEQ, R3, 0, done);
    copy_at(s, BPF_B, 0);
    cg_jmpi(s, BPF_JLT, R3, 2, done);
    to_last(s, 2);
    copy_at(s, BPF_H, 0);
    cg_ja(s, done);
    cg_bind(s, four);
    copy_at(s, BPF_W, 0);
    to_last(s, 4);
    copy_at(s, BPF_W, 0);
    cg_ja(s, done);
    cg_bind(s, words);
    for (int k = 0; k < SHORT_COPY - 8; k += 8) {
        cg_jmpi(s, BPF_JLE, R3, k + 8, last);
        copy_at(s, BPF_DW, k);
    }
    cg_bind(s, last);
    to_last(s, 8);
    copy_at(s, BPF_DW, 0);
    cg_ja(s, done);
    cg_bind(s, large);
    cg_mov(s, R2, R3);
    cg_mov(s, R3, R8);
    cg_call(s, BPF_FUNC_probe_read_kernel);
}

/*
 * The string at R7, of R2 bytes, becomes longer by the N (a register) bytes that will be put at R1:
 * its length and its NUL are stored. N is cut to what has room. Spoils R2, R4.
 */
static void make_room(struct cg_lib_fn *f, int n)
{
    struct cg_asm *s = &f->s;
    uint32_t fits = cg_label(s);

    cg_jmpi(s, BPF_JGT, R2, (int32_t)f->c->max, f->l_bad);
    cg_movi(s, R4, f->c->max);
    cg_alu(s, BPF_SUB, R4, R2);
    cg_jmp(s, BPF_JLE, n, R4, fits);
    cg_mov(s, n, R4);
    cg_lib_count(f, CONTROL(truncated), R1, R4);
    cg_bind(s, fits);
    cg_jmpi(s, BPF_JGT, n, (int32_t)f->c->max, f->l_bad);
    cg_mov(s, R1, R7);
    cg_alu(s, BPF_ADD, R1, R2);
    cg_alui(s, BPF_ADD, R1, LIB_BYTES);
    cg_alu(s, BPF_ADD, R2, n);
    cg_stx(s, BPF_W, R7, 0, R2);
    cg_alu(s, BPF_ADD, R2, R7);
    cg_sti(s, BPF_B, R2, LIB_BYTES, 0);
}

void cg_lib_append_bytes(struct cg_lib_fn *f, uint32_t done)
{
    make_room(f, R3);
    cg_lib_copy_bytes(f, done);
}

static void append_and_leave(struct cg_lib_fn *f)
{
    uint32_t done = cg_label(&f->s);

    cg_lib_append_bytes(f, done);
    cg_bind(&f->s, done);
    cg_lib_leave(f, 0);
}

static void make_append(struct cg_lib_fn *f, bool set)
{
    struct cg_asm *s = &f->s;

    cg_lib_enter(f);
    cg_lib_resolve(f, R7, R2, R6, R4, true);
    cg_lib_resolve(f, R8, R3, R6, R4, false);
    cg_ldx(s, BPF_W, R3, R8, 0);
    if (set)
        cg_movi(s, R2, 0);
    else
        cg_ldx(s, BPF_W, R2, R7, 0);
    cg_alui(s, BPF_ADD, R8, LIB_BYTES);
    append_and_leave(f);
}

void cg_lib_append(struct cg_lib_fn *f)
{
    make_append(f, false);
}

void cg_lib_copy(struct cg_lib_fn *f)
{
    make_append(f, true);
}

/* The last r3 bytes of private_[2..7] (digits). */
void cg_lib_digits(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    int start = LIB_FRAME(private_[2]);

    cg_lib_enter(f);
    cg_lib_resolve(f, R7, R2, R6, R4, true);
    cg_jmpi(s, BPF_JGT, R3, 48, f->l_bad);
    cg_movi(s, R8, 48); /* added, since the verifier does not follow what is taken off a pointer */
    cg_alu(s, BPF_SUB, R8, R3);
    cg_alu(s, BPF_ADD, R8, R6);
    cg_alui(s, BPF_ADD, R8, start);
    cg_ldx(s, BPF_W, R2, R7, 0);
    append_and_leave(f);
}

/* ---- loops ---- */

/* After a loop whose turns the verifier walked: the counter becomes unknown, so that what follows
 * is walked once. The frame must be at HOME of the stack. */
static void forget_counter(struct cg_lib_fn *f, int home, int tmp)
{
    cg_ldx(&f->s, BPF_DW, tmp, R10, home);
    cg_stx(&f->s, BPF_DW, tmp, LIB_FRAME(private_[1]), R9);
    cg_ldx(&f->s, BPF_DW, R9, tmp, LIB_FRAME(private_[1]));
}

/* ---- names ---- */

enum { BLANK = 0x20, SHOWN_INSTEAD = '?' };
enum {
    LINE_SHORT = 128, /* bytes up to which a name is looked at where it was read */
    LINE_PART = 128   /* bytes that are cleaned at a time */
};
/* Of read_str: the string's length before; itself; how much is asked for. */
enum { BEFORE_HOME = -24, HANDLE_HOME = -32, MOST_HOME = -40 };

/*
 * The control characters among the first N bytes (a register, 1 to 7; 0: all eight) at r2 + OFF
 * become '?'. Without a branch, since the verifier would walk both ways of each. A byte's low seven
 * bits + 0x60 have their top bit set from 0x20 on, and do not carry into the next byte. r4: 0x7f..,
 * r5: 0x60.., r6: '?', eight times each. Clobbers r0, r1, r3.
 */
static void clean_word(struct cg_asm *s, int off, int n)
{
    cg_ldx(s, BPF_DW, R3, R2, off);
    cg_mov(s, R0, R3);
    cg_alu(s, BPF_AND, R0, R4);
    cg_alu(s, BPF_ADD, R0, R5);
    cg_alu(s, BPF_OR, R0, R3);
    cg_alu(s, BPF_OR, R0, R4);
    cg_alui(s, BPF_XOR, R0, -1); /* 0x80 where a byte is to go; then 0xff */
    cg_alui(s, BPF_RSH, R0, 7);
    cg_alui(s, BPF_MUL, R0, 0xff);
    if (n)
        cg_lib_mask_word(s, R0, n, R1);
    cg_mov(s, R1, R6);
    cg_alu(s, BPF_XOR, R1, R3);
    cg_alu(s, BPF_AND, R1, R0);
    cg_alu(s, BPF_XOR, R3, R1);
    cg_stx(s, BPF_DW, R2, off, R3);
}

/* (offset of text in the frame, its bytes): control characters in it become '?', in LINE_PART
 * bytes at most. */
void cg_lib_line_part(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t fits = cg_label(s), whole = cg_label(s), done = cg_label(s);

    cg_lib_enter(f);
    cg_jmpi(s, BPF_JGT, R2, (int32_t)f->c->u->frame_size - LINE_PART - 8, f->l_bad);
    cg_alu(s, BPF_ADD, R2, R6);
    cg_jmpi(s, BPF_JLE, R3, LINE_PART, fits);
    cg_movi(s, R3, LINE_PART);
    cg_bind(s, fits);
    cg_movi(s, R4, 0x7f7f7f7f7f7f7f7f);
    cg_movi(s, R5, 0x6060606060606060);
    cg_movi(s, R6, SHOWN_INSTEAD * 0x0101010101010101);
    cg_mov(s, R7, R3);
    cg_alui(s, BPF_AND, R7, 7);
    cg_mov(s, R8, R3);
    cg_alui(s, BPF_AND, R8, 2 * LINE_PART - 8);
    cg_jmpi(s, BPF_JEQ, R7, 0, whole);
    cg_mov(s, R9, R2);
    cg_alu(s, BPF_ADD, R2, R8);
    clean_word(s, 0, R7);
    cg_mov(s, R2, R9);
    cg_bind(s, whole);
    for (int k = 0; k < LINE_PART; k += 8) {
        cg_jmpi(s, BPF_JLE, R8, k, done);
        clean_word(s, k, 0);
    }
    cg_bind(s, done);
    cg_lib_leave(f, 0);
}

/* (offset of text in the frame, its bytes): control characters in it become '?'. */
void cg_lib_line(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t head, done = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_mov(s, R8, R3);
    cg_lib_counter(f);
    head = cg_here(s);
    cg_jmpi(s, BPF_JGT, R9, (int32_t)f->c->max, done);
    cg_mov(s, R1, R6);
    cg_mov(s, R2, R7);
    cg_mov(s, R3, R8);
    cg_lib_call(f, CG_LIB_LINE_PART);
    cg_jmpi(s, BPF_JLE, R8, LINE_PART, done);
    cg_alui(s, BPF_ADD, R7, LINE_PART);
    cg_alui(s, BPF_SUB, R8, LINE_PART);
    cg_alui(s, BPF_ADD, R9, LINE_PART);
    if (f->may_goto)
        cg_may_goto(s, f->l_bad);
    cg_ja(s, head);
    cg_bind(s, done);
    cg_lib_leave(f, 0);
}

/* R0 gets top bits if the eight bytes in WORD hold control characters, or others than ASCII.
 * r5: 0x20... Clobbers WORD. */
static void test_word(struct cg_asm *s, int word)
{
    cg_alu(s, BPF_OR, R0, word);
    cg_alu(s, BPF_SUB, word, R5);
    cg_alu(s, BPF_OR, R0, word);
}

/*
 * What read_str has added to the string at r7 becomes one line. Short ASCII names, which is nearly
 * all of them, are seen to be one in a few instructions for eight bytes: x - 0x20 has its top bit
 * set for control characters and, as x has, for what is no ASCII. (A borrow can only come from a
 * control character.) All others are cleaned by a call.
 */
static void make_line(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    int most = f->c->max < LINE_SHORT ? (int)f->c->max & ~7 : LINE_SHORT;
    uint32_t slow = cg_label(s), last = cg_label(s), words = cg_label(s), end = cg_label(s);
    uint32_t tested = cg_label(s);

    cg_ldx(s, BPF_DW, R4, R10, BEFORE_HOME);
    cg_ldx(s, BPF_W, R3, R7, 0);
    cg_alu(s, BPF_SUB, R3, R4);
    cg_jmpi(s, BPF_JEQ, R3, 0, end);
    cg_jmpi(s, BPF_JGT, R3, most, slow);
    cg_jmpi(s, BPF_JGT, R4, (int32_t)f->c->max, f->l_bad);
    cg_mov(s, R2, R7);
    cg_alu(s, BPF_ADD, R2, R4);
    cg_movi(s, R5, BLANK * 0x0101010101010101);
    cg_movi(s, R0, 0);
    cg_jmpi(s, BPF_JGE, R3, 8, words);
    cg_ldx(s, BPF_DW, R1, R2, LIB_BYTES);
    cg_movi(s, R4, 8); /* fewer than eight bytes: they move up, blanks follow */
    cg_alu(s, BPF_SUB, R4, R3);
    cg_alui(s, BPF_LSH, R4, 3);
    cg_alu(s, BPF_LSH, R1, R4);
    cg_mov(s, R4, R3);
    cg_alui(s, BPF_LSH, R4, 3);
    cg_mov(s, R2, R5);
    cg_alu(s, BPF_RSH, R2, R4);
    cg_alu(s, BPF_OR, R1, R2);
    cg_ja(s, tested);
    cg_bind(s, words);
    for (int k = 0; k < most - 8; k += 8) {
        cg_jmpi(s, BPF_JLE, R3, k + 8, last);
        cg_ldx(s, BPF_DW, R1, R2, LIB_BYTES + k);
        test_word(s, R1);
    }
    cg_bind(s, last); /* may overlap the word before */
    cg_alu(s, BPF_ADD, R2, R3);
    cg_ldx(s, BPF_DW, R1, R2, LIB_BYTES - 8);
    cg_bind(s, tested);
    test_word(s, R1);
    cg_movi(s, R1, 0x8080808080808080);
    cg_alu(s, BPF_AND, R0, R1);
    cg_jmpi(s, BPF_JEQ, R0, 0, end);
    cg_bind(s, slow);
    cg_ldx(s, BPF_DW, R2, R10, HANDLE_HOME);
    cg_alui(s, BPF_AND, R2, (1 << CG_HANDLE_SHIFT) - 1);
    cg_ldx(s, BPF_DW, R1, R10, BEFORE_HOME);
    cg_alu(s, BPF_ADD, R2, R1);
    cg_alui(s, BPF_ADD, R2, LIB_BYTES);
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_LINE);
    cg_bind(s, end);
}

/*
 * A name of r9 bytes at r8 in user memory goes to the end of the string at r7, r3 bytes long, out
 * of the frame's cache, and the function is left: if it is 8 to LINE_SHORT bytes long, in a line
 * that is there (who asks has mostly read the name's length beside it), and ASCII without control
 * characters, thus without a NUL. Else goes to SLOW, with r9 as it was. Clobbers r0-r5.
 */
static void name_from_cache(struct cg_lib_fn *f, uint32_t slow)
{
    struct cg_asm *s = &f->s;
    const struct ir_unit *u = f->c->u;
    uint32_t tags = u->frame_cache, lines = tags + u->cache_lines * 8u;
    int32_t line = 1 << u->cache_shift;
    int most = f->c->max < LINE_SHORT ? (int)f->c->max & ~7 : LINE_SHORT;
    uint32_t last = cg_label(s), other = cg_label(s);

    cg_jmpi(s, BPF_JLT, R9, 8, slow);
    cg_jmpi(s, BPF_JGT, R9, most, slow);
    cg_jmpi(s, BPF_JGT, R3, (int32_t)f->c->max - most, slow);
    cg_mov(s, R1, R8);
    cg_alui(s, BPF_AND, R1, line - 1);
    cg_alu(s, BPF_ADD, R1, R9);
    cg_jmpi(s, BPF_JGT, R1, line, slow);
    cg_mov(s, R1, R8);
    cg_alui(s, BPF_RSH, R1, u->cache_shift);
    cg_mov(s, R2, R1);
    cg_alui(s, BPF_AND, R2, u->cache_lines - 1);
    cg_alui(s, BPF_LSH, R2, 3);
    cg_alu(s, BPF_ADD, R2, R6);
    cg_alui(s, BPF_ADD, R2, (int32_t)tags);
    cg_ldx(s, BPF_DW, R2, R2, 0);
    cg_jmp(s, BPF_JNE, R2, R1, slow);
    cg_mov(s, R2, R8);
    cg_alui(s, BPF_AND, R2, u->cache_lines * line - 1);
    cg_alu(s, BPF_ADD, R2, R6);
    cg_alui(s, BPF_ADD, R2, (int32_t)lines);
    cg_mov(s, R1, R7);
    cg_alu(s, BPF_ADD, R1, R3);
    cg_stx(s, BPF_DW, R10, MOST_HOME, R9);
    cg_movi(s, R5, BLANK * 0x0101010101010101);
    cg_movi(s, R0, 0);
    for (int k = 0; k < most - 8; k += 8) {
        cg_jmpi(s, BPF_JLE, R9, k + 8, last);
        cg_ldx(s, BPF_DW, R4, R2, k);
        cg_stx(s, BPF_DW, R1, LIB_BYTES + k, R4);
        test_word(s, R4);
    }
    cg_bind(s, last); /* may overlap the word before */
    cg_alu(s, BPF_ADD, R2, R9);
    cg_alu(s, BPF_ADD, R1, R9);
    cg_ldx(s, BPF_DW, R4, R2, -8);
    cg_stx(s, BPF_DW, R1, LIB_BYTES - 8, R4);
    test_word(s, R4);
    cg_movi(s, R4, 0x8080808080808080);
    cg_alu(s, BPF_AND, R0, R4);
    cg_jmpi(s, BPF_JNE, R0, 0, other);
    cg_sti(s, BPF_B, R1, LIB_BYTES, 0);
    cg_alu(s, BPF_ADD, R3, R9);
    cg_stx(s, BPF_W, R7, 0, R3);
    cg_lib_leave(f, 0);
    cg_bind(s, other);
    cg_ldx(s, BPF_DW, R9, R10, MOST_HOME);
    cg_ldx(s, BPF_DW, R3, R10, BEFORE_HOME);
    /* which Linux 6.1 does not know to be what was compared before */
    cg_jmpi(s, BPF_JGT, R3, (int32_t)f->c->max, f->l_bad);
    cg_ja(s, slow);
}

/*
 * Eight bytes at [r10 + OFF]; r0 += how many stand before the first NUL, behind which there are
 * only such. r4: 0x7f.. As clean_word: without a branch. Clobbers r1-r3, r5.
 */
static void comm_word(struct cg_asm *s, int off)
{
    cg_ldx(s, BPF_DW, R3, R10, off);
    cg_mov(s, R2, R3);
    cg_alu(s, BPF_AND, R2, R4);
    cg_movi(s, R1, 0x6060606060606060);
    cg_alu(s, BPF_ADD, R1, R2);
    cg_alu(s, BPF_OR, R1, R3); /* 0x80: from a blank on */
    cg_alu(s, BPF_ADD, R2, R4);
    cg_alu(s, BPF_OR, R2, R3); /* 0x80: not NUL */
    cg_alui(s, BPF_XOR, R1, -1);
    cg_alu(s, BPF_AND, R1, R2);
    cg_movi(s, R5, 0x8080808080808080);
    cg_alu(s, BPF_AND, R1, R5);
    cg_alu(s, BPF_AND, R2, R5);
    cg_alui(s, BPF_RSH, R1, 7);
    cg_alui(s, BPF_MUL, R1, 0xff); /* 0xff: is to go */
    cg_alui(s, BPF_RSH, R2, 7);
    cg_movi(s, R5, 0x0101010101010101);
    cg_alu(s, BPF_MUL, R2, R5);
    cg_alui(s, BPF_RSH, R2, 56);
    cg_alu(s, BPF_ADD, R0, R2);
    cg_movi(s, R5, SHOWN_INSTEAD * 0x0101010101010101);
    cg_alu(s, BPF_XOR, R5, R3);
    cg_alu(s, BPF_AND, R5, R1);
    cg_alu(s, BPF_XOR, R3, R5);
    cg_stx(s, BPF_DW, R10, off, R3);
}

void cg_lib_clean_comm(struct cg_lib_fn *f, int off)
{
    cg_movi(&f->s, R4, 0x7f7f7f7f7f7f7f7f);
    cg_movi(&f->s, R0, 0);
    comm_word(&f->s, off);
    comm_word(&f->s, off + 8);
}

/* ---- reading from memory ---- */

/*
 * (dst, addr, max): the helper stores at most size - 1 bytes and a NUL, and says how many. On a
 * fault it zeroes the whole size, so the string ends where it ended. A string cut by its own limit,
 * not the caller's, counts as truncated when it does go on: one byte more is read to know. NAME:
 * what was read becomes one line.
 */
static void read_str(struct cg_lib_fn *f, int helper, int byte_helper, bool name)
{
    struct cg_asm *s = &f->s;
    uint32_t fault = cg_label(s), ok = cg_label(s), limited = cg_label(s);
    uint32_t none = cg_label(s), slow = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R8, R3);
    cg_mov(s, R9, R4);
    if (name)
        cg_stx(s, BPF_DW, R10, HANDLE_HOME, R2);
    cg_lib_resolve(f, R7, R2, R6, R1, true);
    cg_jmpi(s, BPF_JSLE, R9, 0, none);
    cg_ldx(s, BPF_W, R3, R7, 0);
    if (name)
        cg_stx(s, BPF_DW, R10, BEFORE_HOME, R3);
    cg_jmpi(s, BPF_JGT, R3, (int32_t)f->c->max, f->l_bad);
    if (name && f->c->u->reads && f->c->max >= 16)
        name_from_cache(f, slow);
    cg_bind(s, slow);
    cg_movi(s, R2, f->c->max);
    cg_alu(s, BPF_SUB, R2, R3);
    cg_jmp(s, BPF_JGE, R9, R2, limited);
    cg_mov(s, R2, R9);
    cg_bind(s, limited);
    cg_jmpi(s, BPF_JGT, R2, (int32_t)f->c->max, f->l_bad);
    cg_stx(s, BPF_DW, R10, -16, R2);
    cg_mov(s, R1, R7);
    cg_alu(s, BPF_ADD, R1, R3);
    cg_alui(s, BPF_ADD, R1, LIB_BYTES);
    cg_alui(s, BPF_ADD, R2, 1);
    cg_mov(s, R3, R8);
    cg_call(s, helper);
    cg_jmpi(s, BPF_JSLT, R0, 0, fault);
    cg_jmpi(s, BPF_JEQ, R0, 0,
            ok); /* an empty string, whose NUL older kernels (6.1) do not count */
    cg_alui(s, BPF_SUB, R0, 1);
    cg_ldx(s, BPF_W, R1, R7, 0);
    cg_alu(s, BPF_ADD, R1, R0);
    cg_stx(s, BPF_W, R7, 0, R1);
    cg_ldx(s, BPF_DW, R1, R10, -16);
    cg_jmp(s, BPF_JNE, R0, R1, ok); /* it ended by itself */
    cg_jmp(s, BPF_JEQ, R0, R9, ok); /* by the caller's limit */
    cg_alu(s, BPF_ADD, R8, R0);
    cg_mov(s, R3, R8);
    cg_sti(s, BPF_DW, R10, -8, 0);
    cg_mov(s, R1, R10);
    cg_alui(s, BPF_ADD, R1, -8);
    cg_movi(s, R2, 1);
    cg_call(s, byte_helper);
    cg_ldx(s, BPF_B, R1, R10, -8);
    cg_jmpi(s, BPF_JEQ, R1, 0, ok);
    cg_lib_count(f, CONTROL(truncated), R1, R2);
    cg_bind(s, ok);
    if (name)
        make_line(f);
    cg_bind(s, none);
    cg_lib_leave(f, 0);
    cg_bind(s, fault);
    cg_lib_fault(f, R8);
}

void cg_lib_read_str(struct cg_lib_fn *f)
{
    read_str(f, BPF_FUNC_probe_read_user_str, BPF_FUNC_probe_read_user, false);
}

void cg_lib_read_name(struct cg_lib_fn *f)
{
    read_str(f, BPF_FUNC_probe_read_user_str, BPF_FUNC_probe_read_user, true);
}

void cg_lib_read_kstr(struct cg_lib_fn *f)
{
    read_str(f, BPF_FUNC_probe_read_kernel_str, BPF_FUNC_probe_read_kernel, false);
}

/* ---- hash (base/abi.h) ---- */

/* Takes the word in r3 into the lanes r0, r1; the key's words are at r4 + OFF. Clobbers r5, r6. */
static void hash_step(struct cg_asm *s, int off)
{
    for (int lane = R0; lane <= R1; lane++) {
        cg_ldx(s, BPF_DW, R5, R4, off + 8 * (lane - R0));
        cg_alu(s, BPF_ADD, R5, R3);
        cg_mov(s, R6, R5);
        cg_alui(s, BPF_RSH, R6, 32);
        cg_zext32(s, R5);
        cg_alu(s, BPF_MUL, R5, R6);
        cg_alu(s, BPF_ADD, lane, R5);
    }
}

/* r4 = where the key's words for byte r9 of the text are. */
static void hash_key(struct cg_lib_fn *f)
{
    cg_value(&f->s, R4, CG_RODATA, f->c->hash_key);
    cg_alu(&f->s, BPF_ADD, R4, R9);
}

enum { HASH_PART = 128 }; /* bytes that a call takes where the verifier walks each turn of a loop */
enum { RESULT_HOME = -8, HASH_FRAME_HOME = -24, HASH_TEXT_HOME = -32, OFFSET_HOME = -40 };

/* (offset of the lanes in the frame, string, where): HASH_PART bytes of the string are taken into
 * the lanes. */
void cg_lib_hash_part(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;

    cg_lib_enter(f);
    cg_mov(s, R9, R4);
    cg_jmpi(s, BPF_JGT, R9, (int32_t)f->c->max, f->l_bad);
    cg_jmpi(s, BPF_JGT, R2, (int32_t)(f->c->u->frame_size - f->c->room), f->l_bad);
    cg_alu(s, BPF_ADD, R2, R6);
    cg_lib_resolve(f, R8, R3, R6, R4, false);
    cg_alu(s, BPF_ADD, R8, R9);
    hash_key(f);
    cg_ldx(s, BPF_DW, R0, R2, 0);
    cg_ldx(s, BPF_DW, R1, R2, 8);
    for (int k = 0; k < HASH_PART; k += 8) {
        cg_ldx(s, BPF_DW, R3, R8, LIB_BYTES + k);
        hash_step(s, k);
    }
    cg_stx(s, BPF_DW, R2, 0, R0);
    cg_stx(s, BPF_DW, R2, 8, R1);
    cg_lib_leave(f, 0);
}

/* Of the r7 bytes of the string all but the last are taken in by calls; r9 = how many, not known.
 * Spoils R0-R5. */
static void hash_parts(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t head, tail = cg_label(s);

    f->c->lib_regions[CG_LIB_HASH_PART] |= f->c->lib_regions[CG_LIB_HASH];
    cg_ldx(s, BPF_DW, R2, R10, RESULT_HOME);
    cg_stx(s, BPF_DW, R2, 0, R7);
    cg_stx(s, BPF_DW, R2, 8, R7);
    head = cg_here(s);
    cg_jmpi(s, BPF_JLT, R7, HASH_PART, tail);
    cg_jmpi(s, BPF_JGT, R9, (int32_t)f->c->max, tail);
    cg_ldx(s, BPF_DW, R1, R10, HASH_FRAME_HOME);
    cg_ldx(s, BPF_DW, R2, R10, OFFSET_HOME);
    cg_ldx(s, BPF_DW, R3, R10, HASH_TEXT_HOME);
    cg_mov(s, R4, R9);
    cg_lib_call(f, CG_LIB_HASH_PART);
    cg_alui(s, BPF_ADD, R9, HASH_PART);
    cg_alui(s, BPF_SUB, R7, HASH_PART);
    cg_ja(s, head);
    cg_bind(s, tail);
    forget_counter(f, HASH_FRAME_HOME, R2);
    cg_ldx(s, BPF_DW, R2, R10, RESULT_HOME);
    cg_ldx(s, BPF_DW, R0, R2, 0);
    cg_ldx(s, BPF_DW, R1, R2, 8);
}

/* (offset of the result in the frame, string) */
void cg_lib_hash(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t head, tail = cg_label(s), rest = cg_label(s), end = cg_label(s);
    bool parts = !f->may_goto && f->c->max >= 4 * HASH_PART;

    cg_lib_enter(f);
    if (parts) {
        cg_stx(s, BPF_DW, R10, HASH_TEXT_HOME, R3);
        cg_stx(s, BPF_DW, R10, OFFSET_HOME, R2);
    }
    cg_lib_resolve(f, R8, R3, R6, R4, false);
    cg_jmpi(s, BPF_JGT, R2, (int32_t)(f->c->u->frame_size - f->c->room), f->l_bad);
    cg_alu(s, BPF_ADD, R2, R6);
    cg_stx(s, BPF_DW, R10, RESULT_HOME, R2);
    cg_stx(s, BPF_DW, R10, HASH_FRAME_HOME, R6);
    cg_ldx(s, BPF_W, R7, R8, 0);
    cg_jmpi(s, BPF_JGT, R7, (int32_t)f->c->max, f->l_bad);
    cg_alui(s, BPF_ADD, R8, LIB_BYTES);
    cg_lib_counter(f);
    if (parts) {
        hash_parts(f);
    } else {
        cg_mov(s, R0, R7);
        cg_mov(s, R1, R7);
    }
    head = cg_here(s);
    cg_jmpi(s, BPF_JLT, R7, 32, tail);
    cg_jmpi(s, BPF_JGT, R9, (int32_t)f->c->max, tail);
    cg_mov(s, R2, R8);
    cg_alu(s, BPF_ADD, R2, R9);
    hash_key(f);
    for (int k = 0; k < 32; k += 8) {
        cg_ldx(s, BPF_DW, R3, R2, k);
        hash_step(s, k);
    }
    cg_alui(s, BPF_ADD, R9, 32);
    cg_alui(s, BPF_SUB, R7, 32);
    if (f->may_goto)
        cg_may_goto(s, f->l_bad);
    cg_ja(s, head);
    cg_bind(s, tail);
    if (!f->may_goto)
        forget_counter(f, HASH_FRAME_HOME, R2);
    cg_jmpi(s, BPF_JGT, R9, (int32_t)f->c->max, f->l_bad);
    cg_mov(s, R2, R8);
    cg_alu(s, BPF_ADD, R2, R9);
    hash_key(f);
    for (int k = 0; k < 3; k++) {
        cg_jmpi(s, BPF_JLT, R7, 8, rest);
        cg_ldx(s, BPF_DW, R3, R2, 0);
        hash_step(s, 0);
        cg_alui(s, BPF_ADD, R2, 8);
        cg_alui(s, BPF_ADD, R4, 8);
        cg_alui(s, BPF_SUB, R7, 8);
    }
    cg_bind(s, rest);
    cg_jmpi(s, BPF_JEQ, R7, 0, end);
    cg_ldx(s, BPF_DW, R3, R2, 0);
    cg_lib_mask_word(s, R3, R7, R2);
    hash_step(s, 0);
    cg_bind(s, end);
    cg_ldx(s, BPF_DW, R2, R10, RESULT_HOME);
    cg_stx(s, BPF_DW, R2, 0, R0);
    cg_stx(s, BPF_DW, R2, 8, R1);
    cg_lib_leave(f, 0);
}

/* ---- comparison ---- */

static void make_compare(struct cg_lib_fn *f, bool order)
{
    struct cg_asm *s = &f->s;
    uint32_t head, tail = cg_label(s), differ = cg_label(s), same = cg_label(s), less = cg_label(s);
    uint32_t shorter = cg_label(s);

    cg_lib_enter(f);
    cg_lib_resolve(f, R7, R2, R6, R4, false);
    cg_lib_resolve(f, R8, R3, R6, R4, false);
    cg_ldx(s, BPF_W, R2, R7, 0);
    cg_ldx(s, BPF_W, R3, R8, 0);
    cg_stx(s, BPF_DW, R10, -8, R2);
    cg_stx(s, BPF_DW, R10, -16, R3);
    cg_stx(s, BPF_DW, R10, -24, R6);
    cg_lib_counter(f);
    if (order) {
        cg_jmp(s, BPF_JLE, R2, R3, shorter);
        cg_mov(s, R2, R3);
        cg_bind(s, shorter);
    } else {
        cg_jmp(s, BPF_JNE, R2, R3, differ);
    }
    cg_mov(s, R6, R2); /* bytes left */
    cg_jmpi(s, BPF_JGT, R6, (int32_t)f->c->max, f->l_bad);
    head = cg_here(s);
    cg_jmpi(s, BPF_JLT, R6, 8, tail);
    cg_jmpi(s, BPF_JGT, R9, (int32_t)f->c->max, tail);
    cg_mov(s, R2, R7);
    cg_alu(s, BPF_ADD, R2, R9);
    cg_mov(s, R3, R8);
    cg_alu(s, BPF_ADD, R3, R9);
    cg_ldx(s, BPF_DW, R4, R2, LIB_BYTES);
    cg_ldx(s, BPF_DW, R5, R3, LIB_BYTES);
    cg_jmp(s, BPF_JNE, R4, R5, differ);
    cg_alui(s, BPF_ADD, R9, 8);
    cg_alui(s, BPF_SUB, R6, 8);
    if (f->may_goto)
        cg_may_goto(s, f->l_bad);
    cg_ja(s, head);
    cg_bind(s, tail);
    if (!f->may_goto)
        forget_counter(f, -24, R2);
    cg_jmpi(s, BPF_JEQ, R6, 0, same);
    cg_jmpi(s, BPF_JGT, R9, (int32_t)f->c->max, f->l_bad);
    cg_alu(s, BPF_ADD, R7, R9);
    cg_alu(s, BPF_ADD, R8, R9);
    cg_ldx(s, BPF_DW, R4, R7, LIB_BYTES);
    cg_ldx(s, BPF_DW, R5, R8, LIB_BYTES);
    cg_lib_mask_word(s, R4, R6, R2);
    cg_lib_mask_word(s, R5, R6, R2);
    cg_jmp(s, BPF_JNE, R4, R5, differ);
    cg_bind(s, same);
    if (!order) {
        cg_lib_leave(f, 1);
        cg_bind(s, differ);
        cg_lib_leave(f, 0);
        return;
    }
    uint32_t equal = cg_label(s);

    cg_ldx(s, BPF_DW, R4, R10, -8);
    cg_ldx(s, BPF_DW, R5, R10, -16);
    cg_jmp(s, BPF_JEQ, R4, R5, equal);
    cg_jmp(s, BPF_JLT, R4, R5, less);
    cg_lib_leave(f, 1);
    cg_bind(s, equal);
    cg_lib_leave(f, 0);
    cg_bind(s, differ); /* the first byte that differs is the lowest: compare big-endian */
    cg_be64(s, R4);
    cg_be64(s, R5);
    cg_jmp(s, BPF_JLT, R4, R5, less);
    cg_lib_leave(f, 1);
    cg_bind(s, less);
    cg_lib_leave(f, -1);
}

void cg_lib_eq(struct cg_lib_fn *f)
{
    make_compare(f, false);
}

void cg_lib_cmp(struct cg_lib_fn *f)
{
    make_compare(f, true);
}

/* ---- fill ---- */

/* (dst, char, n): up to 64 bytes from a pattern in the frame, then the string doubles itself. */
void cg_lib_fill(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t more = cg_label(s), copied = cg_label(s), done = cg_label(s), all = cg_label(s);
    int pattern = (int)f->c->u->frame_texts; /* for pointers, in user space: free here */

    cg_lib_enter(f);
    cg_jmpi(s, BPF_JSLE, R4, 0, done);
    cg_mov(s, R9, R4);
    cg_mov(s, R8, R3);
    cg_lib_resolve(f, R7, R2, R6, R4, true);
    cg_alui(s, BPF_AND, R8, 0xff);
    cg_movi(s, R1, 0x0101010101010101);
    cg_alu(s, BPF_MUL, R8, R1);
    for (int k = 0; k < 64; k += 8)
        cg_stx(s, BPF_DW, R6, pattern + k, R8);
    cg_ldx(s, BPF_W, R2, R7, 0);
    make_room(f, R9);
    cg_mov(s, R7, R1); /* where the filling starts */
    cg_mov(s, R8, R6);
    cg_alui(s, BPF_ADD, R8, pattern);
    cg_mov(s, R3, R9);
    cg_jmpi(s, BPF_JLE, R3, 64, all);
    cg_movi(s, R3, 64);
    cg_bind(s, all);
    cg_lib_copy_bytes(f, copied);
    cg_bind(s, copied);
    for (int32_t have = 64; have < (int32_t)f->c->max; have *= 2) {
        more = cg_label(s);
        cg_jmpi(s, BPF_JLE, R9, have, done);
        cg_mov(s, R2, R9);
        cg_alui(s, BPF_SUB, R2, have);
        cg_jmpi(s, BPF_JLE, R2, have, more);
        cg_movi(s, R2, have);
        cg_bind(s, more);
        cg_mov(s, R1, R7);
        cg_alui(s, BPF_ADD, R1, have);
        cg_mov(s, R3, R7);
        cg_call(s, BPF_FUNC_probe_read_kernel);
    }
    cg_bind(s, done);
    cg_lib_leave(f, 0);
}
