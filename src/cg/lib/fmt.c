/*
 * fmt: the library's formatting: integers in decimal at speed, any conversion with width and
 * precision, address markers, the text of an error. Enters: handles and values; leaves:
 * subprograms. Results are printf's, so that a string made in the kernel reads like one printed in
 * user space.
 */
#include "cg/lib/lib.h"

#include <stddef.h>

#define CONTROL(field) ((uint32_t)offsetof(struct ngs_control, field))

enum { EIGHT_DIGITS = 100000000 };

/* Each number x in a lane of r8, below BASE^2, becomes x / BASE, with x % BASE in the WIDTH bits
 * above. x / BASE is x * MUL >> SHIFT; MASK has the bits that belong to it. Clobbers r3, r4. */
static void split_lanes(struct cg_asm *s, int mul, int shift, int64_t mask, int base, int width)
{
    cg_mov(s, R3, R8);
    cg_alui(s, BPF_MUL, R3, mul);
    cg_alui(s, BPF_RSH, R3, shift);
    cg_movi(s, R4, mask);
    cg_alu(s, BPF_AND, R3, R4);
    cg_mov(s, R4, R3);
    cg_alui(s, BPF_MUL, R4, base);
    cg_alu(s, BPF_SUB, R8, R4);
    cg_alui(s, BPF_LSH, R8, width);
    cg_alu(s, BPF_OR, R8, R3);
}

/* r8, below 10^8, becomes its eight decimal digits, one a byte, the first one lowest. Clobbers
 * r3-r5. */
static void spread_decimal(struct cg_asm *s)
{
    /* 4 digits in each 32 bits */
    cg_mov(s, R3, R8);
    cg_alui(s, BPF_DIV, R3, 10000);
    cg_mov(s, R4, R3);
    cg_alui(s, BPF_MUL, R4, 10000);
    cg_alu(s, BPF_SUB, R8, R4);
    cg_alui(s, BPF_LSH, R8, 32);
    cg_alu(s, BPF_OR, R8, R3);
    /* 2 digits in each 16 bits, then 1 in each 8 */
    split_lanes(s, 10486, 20, 0x0000007f0000007f, 100, 16);
    split_lanes(s, 103, 10, 0x000f000f000f000f, 10, 8);
    cg_movi(s, R4, 0x3030303030303030);
    cg_alu(s, BPF_OR, R8, R4);
}

/* private_[1] = how many digits r8 (below 10^8) has, and r3 too; through memory, so that the
 * verifier does not follow each of the eight ways by itself. */
static void count_digits(struct cg_lib_fn *f)
{
    static const int32_t powers[] = {10, 100, 1000, 10000, 100000, 1000000, 10000000};
    struct cg_asm *s = &f->s;
    uint32_t have = cg_label(s);

    for (int d = 1; d <= 8; d++) {
        uint32_t next = cg_label(s);

        if (d < 8)
            cg_jmpi(s, BPF_JGE, R8, powers[d - 1], next);
        cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[1]), d);
        if (d < 8)
            cg_ja(s, have);
        cg_bind(s, next);
    }
    cg_bind(s, have);
}

static void eight_digits(struct cg_asm *s, int stack)
{
    cg_ldx(s, BPF_DW, R8, R10, stack);
    spread_decimal(s);
    cg_stx(s, BPF_DW, R1, LIB_BYTES, R8);
    cg_alui(s, BPF_ADD, R1, 8);
    cg_alui(s, BPF_ADD, R2, 8);
}

/* (dst, value): %d. r1 where the next digit goes (less LIB_BYTES), r2 the length, r9 how many
 * groups of eight follow. */
void cg_lib_dec(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t slow = cg_label(s), positive = cg_label(s), top = cg_label(s), two = cg_label(s),
             one = cg_label(s);
    uint32_t end = cg_label(s);

    cg_lib_enter(f);
    if (f->c->max < 64) { /* too tight for stores of eight bytes */
        cg_ja(s, slow);
    } else {
        cg_mov(s, R9, R2);
        cg_mov(s, R8, R3);
        cg_lib_resolve(f, R7, R2, R6, R4, true);
        cg_ldx(s, BPF_W, R2, R7, 0);
        cg_mov(s, R3, R8);
        cg_mov(s, R4, R9);
        cg_jmpi(s, BPF_JGT, R2, (int32_t)f->c->max - 32, slow);
        cg_mov(s, R1, R7);
        cg_alu(s, BPF_ADD, R1, R2);
        cg_jmpi(s, BPF_JSGE, R8, 0, positive);
        cg_sti(s, BPF_B, R1, LIB_BYTES, '-');
        cg_alui(s, BPF_ADD, R1, 1);
        cg_alui(s, BPF_ADD, R2, 1);
        cg_neg(s, R8);
        cg_bind(s, positive);
        cg_movi(s, R9, 0);
        for (int group = 1; group <= 2; group++) {
            cg_jmpi(s, BPF_JLT, R8, EIGHT_DIGITS, top);
            cg_mov(s, R3, R8);
            cg_alui(s, BPF_DIV, R3, EIGHT_DIGITS);
            cg_mov(s, R4, R3);
            cg_alui(s, BPF_MUL, R4, EIGHT_DIGITS);
            cg_alu(s, BPF_SUB, R8, R4);
            cg_stx(s, BPF_DW, R10, group == 1 ? -8 : -16, R8);
            cg_mov(s, R8, R3);
            cg_movi(s, R9, group);
        }
        cg_bind(s, top);
        count_digits(f);
        spread_decimal(s);
        cg_ldx(s, BPF_DW, R3, R6, LIB_FRAME(private_[1]));
        cg_jmpi(s, BPF_JGT, R3, 8, f->l_bad);
        cg_movi(s, R4, 8);
        cg_alu(s, BPF_SUB, R4, R3);
        cg_alui(s, BPF_LSH, R4, 3);
        cg_alu(s, BPF_RSH, R8, R4);
        cg_stx(s, BPF_DW, R1, LIB_BYTES, R8);
        cg_alu(s, BPF_ADD, R1, R3);
        cg_alu(s, BPF_ADD, R2, R3);
        cg_jmpi(s, BPF_JEQ, R9, 0, end);
        cg_jmpi(s, BPF_JEQ, R9, 1, one);
        cg_bind(s, two);
        eight_digits(s, -16);
        cg_bind(s, one);
        eight_digits(s, -8);
        cg_bind(s, end);
        cg_sti(s, BPF_B, R1, LIB_BYTES, 0);
        cg_stx(s, BPF_W, R7, 0, R2);
        cg_lib_leave(f, 0);
    }
    cg_bind(s, slow); /* r2..r4 as they came; or handle and value in r4, r3 */
    if (f->c->max >= 64)
        cg_mov(s, R2, R4);
    cg_movi(s, R4, (int64_t)NGS_SPEC('d', 0, 0, 0xffff));
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_FORMAT);
    cg_lib_leave(f, 0);
}

/* ---- any conversion ---- */

/* Places on the stack while a conversion is being made; lengths come out of the frame. */
enum { AT_DIGITS = -8, AT_SIGN = -16, AT_ZEROS = -24, AT_PAD = -32 };

/* The digits of r8 to the base, right-aligned at the end of private_[7]; how many: private_[0]. */
static void make_digits(struct cg_lib_fn *f, int shift, int upper, uint32_t have)
{
    struct cg_asm *s = &f->s;
    int last = LIB_FRAME(private_) + 63;
    int most = shift == 4 ? 16 : shift == 3 ? 22 : 20;

    for (int k = 0; k < most; k++) {
        uint32_t digit = cg_label(s);

        cg_mov(s, R1, R8);
        if (shift) {
            cg_alui(s, BPF_AND, R1, (1 << shift) - 1);
            cg_alui(s, BPF_RSH, R8, shift);
        } else {
            cg_alui(s, BPF_DIV, R8, 10);
            cg_mov(s, R2, R8);
            cg_alui(s, BPF_MUL, R2, 10);
            cg_alu(s, BPF_SUB, R1, R2);
        }
        cg_alui(s, BPF_ADD, R1, '0');
        if (shift == 4) {
            cg_jmpi(s, BPF_JLE, R1, '9', digit);
            cg_alui(s, BPF_ADD, R1, (upper ? 'A' : 'a') - '9' - 1);
            cg_bind(s, digit);
        }
        cg_stx(s, BPF_B, R6, last - k, R1);
        cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[0]), k + 1);
        cg_jmpi(s, BPF_JEQ, R8, 0, have);
    }
    cg_ja(s, have);
}

/* FILL(dst in r7, CHAR, number at STACK) */
static void fill(struct cg_lib_fn *f, int ch, int stack)
{
    struct cg_asm *s = &f->s;
    uint32_t none = cg_label(s);

    cg_ldx(s, BPF_DW, R4, R10, stack);
    cg_jmpi(s, BPF_JSLE, R4, 0, none);
    cg_movi(s, R3, ch);
    cg_mov(s, R2, R7);
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_FILL);
    cg_bind(s, none);
}

static void fill_one(struct cg_lib_fn *f, int reg)
{
    struct cg_asm *s = &f->s;

    cg_mov(s, R3, reg);
    cg_movi(s, R4, 1);
    cg_mov(s, R2, R7);
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_FILL);
}

/* A field of the spec in r9. */
static void field(struct cg_asm *s, int dst, int shift)
{
    cg_mov(s, dst, R9);
    cg_alui(s, BPF_RSH, dst, shift);
    cg_alui(s, BPF_AND, dst, 0xffff);
}

/* private_[1] = what stands before the digits: its length in the low byte, then its characters. */
static void find_sign(struct cg_lib_fn *f, uint32_t have)
{
    struct cg_asm *s = &f->s;
    uint32_t not_minus = cg_label(s), not_plus = cg_label(s), minus = cg_label(s);

    cg_jmpi(s, BPF_JSLT, R8, 0, minus);
    cg_mov(s, R1, R9);
    cg_alui(s, BPF_AND, R1, NGS_SPEC_PLUS);
    cg_jmpi(s, BPF_JEQ, R1, 0, not_minus);
    cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[1]), 1 | '+' << 8);
    cg_ja(s, have);
    cg_bind(s, not_minus);
    cg_mov(s, R1, R9);
    cg_alui(s, BPF_AND, R1, NGS_SPEC_SPACE);
    cg_jmpi(s, BPF_JEQ, R1, 0, not_plus);
    cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[1]), 1 | ' ' << 8);
    cg_bind(s, not_plus);
    cg_ja(s, have);
    cg_bind(s, minus);
    cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[1]), 1 | '-' << 8);
    cg_neg(s, R8);
    cg_ja(s, have);
}

/* The conversions: r0 = letter. Each leaves its digits and what stands before them. */
static void convert(struct cg_lib_fn *f, uint32_t have)
{
    struct cg_asm *s = &f->s;
    uint32_t hex = cg_label(s), upper = cg_label(s), octal = cg_label(s), chr = cg_label(s),
             ptr = cg_label(s);
    uint32_t dec = cg_label(s), plain = cg_label(s), plain_upper = cg_label(s),
             plain_octal = cg_label(s);

    cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[1]), 0);
    cg_jmpi(s, BPF_JEQ, R0, 'x', hex);
    cg_jmpi(s, BPF_JEQ, R0, 'u', dec);
    cg_jmpi(s, BPF_JEQ, R0, 'p', ptr);
    cg_jmpi(s, BPF_JEQ, R0, 'X', upper);
    cg_jmpi(s, BPF_JEQ, R0, 'o', octal);
    cg_jmpi(s, BPF_JEQ, R0, 'c', chr);
    find_sign(f, dec);
    cg_bind(s, dec);
    make_digits(f, 0, 0, have);
    cg_bind(s, chr);
    cg_stx(s, BPF_B, R6, LIB_FRAME(private_) + 63, R8);
    cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[0]), 1);
    cg_ja(s, have);
    cg_bind(s, octal);
    cg_mov(s, R1, R9);
    cg_alui(s, BPF_AND, R1, NGS_SPEC_ALT);
    cg_jmpi(s, BPF_JEQ, R1, 0, plain_octal);
    cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[1]), 1 | '0' << 8);
    cg_bind(s, plain_octal);
    make_digits(f, 3, 0, have);
    cg_bind(s, upper);
    cg_mov(s, R1, R9);
    cg_alui(s, BPF_AND, R1, NGS_SPEC_ALT);
    cg_jmpi(s, BPF_JEQ, R1, 0, plain_upper);
    cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[1]), 2 | '0' << 8 | 'X' << 16);
    cg_bind(s, plain_upper);
    make_digits(f, 4, 1, have);
    cg_bind(s, hex);
    cg_mov(s, R1, R9);
    cg_alui(s, BPF_AND, R1, NGS_SPEC_ALT);
    cg_jmpi(s, BPF_JEQ, R1, 0, plain);
    cg_bind(s, ptr);
    cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[1]), 2 | '0' << 8 | 'x' << 16);
    cg_bind(s, plain);
    make_digits(f, 4, 0, have);
}

/* Lengths of zeroes and padding, from width and precision. */
static void measure(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t no_prec = cg_label(s), no_more = cg_label(s), measured = cg_label(s);

    cg_ldx(s, BPF_DW, R1, R6, LIB_FRAME(private_[0]));
    cg_ldx(s, BPF_DW, R2, R6, LIB_FRAME(private_[1]));
    cg_stx(s, BPF_DW, R10, AT_SIGN, R2);
    cg_alui(s, BPF_AND, R2, 0xff);
    cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[0]), 0); /* zeroes */
    cg_jmpi(s, BPF_JEQ, R0, 'c', no_more);
    field(s, R3, 32);
    cg_jmpi(s, BPF_JEQ, R3, 0xffff, no_prec);
    cg_jmp(s, BPF_JSLE, R3, R1, no_prec); /* %.0d of 0 is 0, in SystemTap */
    cg_alu(s, BPF_SUB, R3, R1);
    cg_stx(s, BPF_DW, R6, LIB_FRAME(private_[0]), R3);
    cg_bind(s, no_prec); /* and the flag 0 is heeded beside a precision */
    cg_mov(s, R4, R9);
    cg_alui(s, BPF_AND, R4, NGS_SPEC_ZERO | NGS_SPEC_LEFT);
    cg_jmpi(s, BPF_JNE, R4, NGS_SPEC_ZERO, no_more);
    field(s, R4, 16);
    cg_alu(s, BPF_SUB, R4, R1);
    cg_alu(s, BPF_SUB, R4, R2);
    cg_ldx(s, BPF_DW, R3, R6, LIB_FRAME(private_[0]));
    cg_jmp(s, BPF_JSLE, R4, R3, no_more);
    cg_stx(s, BPF_DW, R6, LIB_FRAME(private_[0]), R4);
    cg_bind(s, no_more);
    cg_stx(s, BPF_DW, R6, LIB_FRAME(private_[1]), R1);
    cg_ldx(s, BPF_DW, R1, R6, LIB_FRAME(private_[1]));
    cg_stx(s, BPF_DW, R10, AT_DIGITS, R1);
    cg_ldx(s, BPF_DW, R3, R6, LIB_FRAME(private_[0]));
    cg_stx(s, BPF_DW, R10, AT_ZEROS, R3);
    field(s, R4, 16);
    cg_alu(s, BPF_SUB, R4, R1);
    cg_alu(s, BPF_SUB, R4, R2);
    cg_alu(s, BPF_SUB, R4, R3);
    cg_stx(s, BPF_DW, R10, AT_PAD, R4);
    cg_bind(s, measured);
}

/* (dst, value, spec) */
void cg_lib_format(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t have = cg_label(s), left = cg_label(s), no_sign = cg_label(s), no_digits = cg_label(s),
             end = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_mov(s, R8, R3);
    cg_mov(s, R9, R4);
    cg_mov(s, R0, R9);
    cg_alui(s, BPF_AND, R0, 0xff);
    convert(f, have);
    cg_bind(s, have);
    cg_mov(s, R0, R9);
    cg_alui(s, BPF_AND, R0, 0xff);
    measure(f);
    cg_mov(s, R1, R9);
    cg_alui(s, BPF_AND, R1, NGS_SPEC_LEFT);
    cg_jmpi(s, BPF_JNE, R1, 0, left);
    fill(f, ' ', AT_PAD);
    cg_bind(s, left);
    for (int k = 1; k <= 2; k++) {
        cg_ldx(s, BPF_DW, R1, R10, AT_SIGN);
        cg_mov(s, R3, R1);
        cg_alui(s, BPF_AND, R1, 0xff);
        cg_jmpi(s, BPF_JLT, R1, k, no_sign);
        cg_alui(s, BPF_RSH, R3, 8 * k);
        fill_one(f, R3);
    }
    cg_bind(s, no_sign);
    fill(f, '0', AT_ZEROS);
    cg_ldx(s, BPF_DW, R3, R10, AT_DIGITS);
    cg_jmpi(s, BPF_JEQ, R3, 0, no_digits);
    cg_mov(s, R2, R7);
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_DIGITS);
    cg_bind(s, no_digits);
    cg_mov(s, R1, R9);
    cg_alui(s, BPF_AND, R1, NGS_SPEC_LEFT);
    cg_jmpi(s, BPF_JEQ, R1, 0, end);
    fill(f, ' ', AT_PAD);
    cg_bind(s, end);
    cg_lib_leave(f, 0);
}

/* (dst, src, spec): the string, or as many of its bytes as the precision says, under a width. */
void cg_lib_format_str(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t whole = cg_label(s), left = cg_label(s), copied = cg_label(s), end = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_mov(s, R9, R4);
    cg_lib_resolve(f, R8, R3, R6, R4, false);
    cg_ldx(s, BPF_W, R1, R8, 0);
    field(s, R2, 32);
    cg_jmpi(s, BPF_JEQ, R2, 0xffff, whole);
    cg_jmp(s, BPF_JLE, R1, R2, whole);
    cg_mov(s, R1, R2);
    cg_bind(s, whole);
    cg_jmpi(s, BPF_JGT, R1, (int32_t)f->c->max, f->l_bad);
    cg_stx(s, BPF_DW, R10, AT_DIGITS, R1);
    field(s, R2, 16);
    cg_alu(s, BPF_SUB, R2, R1);
    cg_stx(s, BPF_DW, R10, AT_PAD, R2);
    cg_mov(s, R1, R9);
    cg_alui(s, BPF_AND, R1, NGS_SPEC_LEFT);
    cg_jmpi(s, BPF_JNE, R1, 0, left);
    fill(f, ' ', AT_PAD);
    cg_bind(s, left);
    /* The string's bytes; r9 keeps the spec, AT_SIGN the destination's handle. */
    cg_stx(s, BPF_DW, R10, AT_SIGN, R7);
    cg_ldx(s, BPF_DW, R3, R10, AT_DIGITS);
    cg_mov(s, R2, R7);
    cg_lib_resolve(f, R7, R2, R6, R4, true);
    cg_ldx(s, BPF_W, R2, R7, 0);
    cg_alui(s, BPF_ADD, R8, LIB_BYTES);
    cg_lib_append_bytes(f, copied);
    cg_bind(s, copied);
    cg_mov(s, R1, R9);
    cg_alui(s, BPF_AND, R1, NGS_SPEC_LEFT);
    cg_jmpi(s, BPF_JEQ, R1, 0, end);
    cg_ldx(s, BPF_DW, R7, R10, AT_SIGN);
    fill(f, ' ', AT_PAD);
    cg_bind(s, end);
    cg_lib_leave(f, 0);
}

/* ---- address markers ---- */

/* r8's low 32 bits, most significant byte first, become eight hexadecimal digits. Clobbers r3, r4.
 */
static void spread_hex(struct cg_asm *s)
{
    cg_raw(s, BPF_ALU | BPF_END | BPF_TO_BE, R8, 0, 0, 32);
    for (int shift = 16; shift >= 8; shift /= 2) {
        cg_mov(s, R3, R8);
        cg_alui(s, BPF_LSH, R3, shift);
        cg_alu(s, BPF_OR, R8, R3);
        cg_movi(s, R3, shift == 16 ? 0x0000ffff0000ffff : 0x00ff00ff00ff00ff);
        cg_alu(s, BPF_AND, R8, R3);
    }
    cg_movi(s, R4, 0x000f000f000f000f);
    cg_mov(s, R3, R8);
    cg_alui(s, BPF_RSH, R3, 4);
    cg_alu(s, BPF_AND, R3, R4);
    cg_alu(s, BPF_AND, R8, R4);
    cg_alui(s, BPF_LSH, R8, 8);
    cg_alu(s, BPF_OR, R8, R3);
    /* + '0', and 39 more above 9 */
    cg_movi(s, R3, 0x0606060606060606);
    cg_alu(s, BPF_ADD, R3, R8);
    cg_alui(s, BPF_RSH, R3, 4);
    cg_movi(s, R4, 0x0101010101010101);
    cg_alu(s, BPF_AND, R3, R4);
    cg_alui(s, BPF_MUL, R3, 'a' - '9' - 1);
    cg_alu(s, BPF_ADD, R8, R3);
    cg_movi(s, R3, 0x3030303030303030);
    cg_alu(s, BPF_ADD, R8, R3);
}

/* (dst, kind, addr); one that does not fit is left out: half a marker means nothing. */
void cg_lib_mark(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t cut = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R8, R4);
    cg_mov(s, R9, R4);
    cg_mov(s, R5, R3);
    cg_lib_resolve(f, R7, R2, R6, R4, true);
    cg_ldx(s, BPF_W, R2, R7, 0);
    if (f->c->max < NGS_MARK_LEN)
        cg_jmpi(s, BPF_JGE, R2, 0, cut);
    cg_jmpi(s, BPF_JGT, R2, f->c->max < NGS_MARK_LEN ? 0 : (int32_t)f->c->max - NGS_MARK_LEN, cut);
    cg_mov(s, R1, R7);
    cg_alu(s, BPF_ADD, R1, R2);
    cg_alui(s, BPF_ADD, R2, NGS_MARK_LEN);
    cg_stx(s, BPF_W, R7, 0, R2);
    cg_sti(s, BPF_B, R1, LIB_BYTES, NGS_MARK);
    cg_stx(s, BPF_B, R1, LIB_BYTES + 1, R5);
    cg_alui(s, BPF_RSH, R8, 32);
    spread_hex(s);
    cg_stx(s, BPF_DW, R1, LIB_BYTES + 2, R8);
    cg_mov(s, R8, R9);
    spread_hex(s);
    cg_stx(s, BPF_DW, R1, LIB_BYTES + 10, R8);
    cg_sti(s, BPF_B, R1, LIB_BYTES + NGS_MARK_LEN, 0);
    cg_lib_leave(f, 0);
    cg_bind(s, cut);
    cg_lib_count(f, CONTROL(truncated), R1, R2);
    cg_lib_leave(f, 0);
}

/* (string): the digits of a mark of kind 'a', and nothing else. */
void cg_lib_stack_number(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;

    cg_lib_enter(f);
    if (f->c->max < NGS_MARK_LEN) {
        cg_lib_leave(f, 0);
        return;
    }
    cg_lib_resolve(f, R7, R2, R6, R4, false);
    cg_ldx(s, BPF_W, R1, R7, 0);
    cg_jmpi(s, BPF_JNE, R1, NGS_MARK_LEN, f->l_bad);
    cg_ldx(s, BPF_B, R1, R7, LIB_BYTES);
    cg_jmpi(s, BPF_JNE, R1, NGS_MARK, f->l_bad);
    cg_ldx(s, BPF_B, R1, R7, LIB_BYTES + 1);
    cg_jmpi(s, BPF_JNE, R1, 'a', f->l_bad);
    cg_movi(s, R0, 0);
    for (int i = 2; i < NGS_MARK_LEN; i++) {
        uint32_t decimal = cg_label(s);

        cg_ldx(s, BPF_B, R1, R7, LIB_BYTES + i);
        cg_alui(s, BPF_SUB, R1, '0');
        cg_jmpi(s, BPF_JLE, R1, 9, decimal);
        cg_alui(s, BPF_SUB, R1, 'a' - '9' - 1);
        cg_bind(s, decimal);
        cg_alui(s, BPF_LSH, R0, 4);
        cg_alu(s, BPF_OR, R0, R1);
    }
    cg_exit(s);
}

/* ---- errors ---- */

/* (dst): what a catch block gets, without the place. */
void cg_lib_error_text(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t script = cg_label(s), copy = cg_label(s), known = cg_label(s), done = cg_label(s),
             size = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_ldx(s, BPF_DW, R8, R6, LIB_FRAME(error));
    cg_jmpi(s, BPF_JEQ, R8, NGS_ERR_SCRIPT, script);
    cg_jmpi(s, BPF_JLT, R8, NGS_ERR_KINDS, known);
    cg_movi(s, R8, 0);
    cg_bind(s, known);
    cg_value(s, R1, CG_RODATA, f->c->error_table);
    cg_mov(s, R2, R8);
    cg_alui(s, BPF_LSH, R2, 2);
    cg_alu(s, BPF_ADD, R1, R2);
    cg_ldx(s, BPF_W, R3, R1, 0);
    cg_ja(s, copy);
    cg_bind(s, script);
    cg_movi(s, R3, f->c->u->frame_error_text);
    cg_bind(s, copy);
    cg_mov(s, R2, R7);
    cg_mov(s, R1, R6);
    cg_lib_source(f->c, CG_LIB_COPY, f->c->u->frame_error_text);
    cg_lib_source(f->c, CG_LIB_COPY, CG_IN_RODATA << CG_HANDLE_SHIFT);
    cg_lib_call(f, CG_LIB_COPY);
    cg_jmpi(s, BPF_JEQ, R8, NGS_ERR_SIZE_FULL, size);
    cg_jmpi(s, BPF_JEQ, R8, NGS_ERR_MAP_REFUSED, size);
    cg_jmpi(s, BPF_JNE, R8, NGS_ERR_FAULT, done);
    cg_mov(s, R1, R6);
    cg_mov(s, R2, R7);
    cg_ldx(s, BPF_DW, R3, R6, LIB_FRAME(error_arg));
    cg_movi(s, R4, (int64_t)NGS_SPEC('x', 0, 0, 0xffff));
    cg_lib_call(f, CG_LIB_FORMAT);
    cg_ja(s, done);
    cg_bind(s, size);
    cg_mov(s, R1, R6);
    cg_mov(s, R2, R7);
    cg_ldx(s, BPF_DW, R3, R6, LIB_FRAME(error_arg));
    cg_movi(s, R4, (int64_t)NGS_SPEC('d', 0, 0, 0xffff));
    cg_lib_call(f, CG_LIB_FORMAT);
    cg_mov(s, R1, R6);
    cg_mov(s, R2, R7);
    cg_movi(s, R3, ')');
    cg_movi(s, R4, (int64_t)NGS_SPEC('c', 0, 0, 0xffff));
    cg_lib_call(f, CG_LIB_FORMAT);
    cg_bind(s, done);
    cg_sti(s, BPF_DW, R6, LIB_FRAME(error), 0);
    cg_lib_leave(f, 0);
}
