/*
 * x86_64_length: how long an instruction is. Enters: code, untrusted; leaves: bytes, or 0 for what
 * is no instruction of 64-bit mode that is known here. By the opcode maps of the Intel 64 manual
 * (volume 2, appendix A) and AMD's for XOP and 3DNow; what a byte stands for is a letter of the
 * tables below.
 */
#include <string.h>

#include "arch/machines.h"

enum { LENGTH_MAX = 15 };

/*
 * What follows an opcode:
 *   .  nothing          b  1 byte           w  2 bytes          z  4 bytes, 2 with prefix 66
 *   j  4 bytes          v  8 bytes with REX.W, else z           e  3 bytes
 *   a  an address: 8 bytes, 4 with prefix 67
 *   M  a ModRM byte     B  ... and 1 byte   Z  ... and z
 *   G, H  ... and 1 byte, z, if its REG is 0 or 1
 *   -  it is none
 */
static const char one_byte[] = "MMMMbz--MMMMbz--" /* 00; 0f is an escape */
                               "MMMMbz--MMMMbz--" /* 10 */
                               "MMMMbz--MMMMbz--" /* 20 */
                               "MMMMbz--MMMMbz--" /* 30 */
                               "----------------" /* 40: REX */
                               "................" /* 50 */
                               "---M----zZbB...." /* 60; 62 is EVEX */
                               "bbbbbbbbbbbbbbbb" /* 70 */
                               "BZ-BMMMMMMMMMMMM" /* 80; 8f may be XOP */
                               "..........-....." /* 90 */
                               "aaaa....bz......" /* a0 */
                               "bbbbbbbbvvvvvvvv" /* b0 */
                               "BBw.--BZe.w..b-." /* c0; c4 and c5 are VEX */
                               "MMMM---.MMMMMMMM" /* d0 */
                               "bbbbbbbbjj-b...." /* e0 */
                               "-.--..GH......MM" /* f0 */;

static const char two_bytes[] = "MMMM-.....-.-M.B" /* 00; 0f is 3DNow */
                                "MMMMMMMMMMMMMMMM" /* 10 */
                                "MMMM----MMMMMMMM" /* 20 */
                                "......-.--------" /* 30; 38 and 3a are escapes */
                                "MMMMMMMMMMMMMMMM" /* 40 */
                                "MMMMMMMMMMMMMMMM" /* 50 */
                                "MMMMMMMMMMMMMMMM" /* 60 */
                                "BBBBMMM.MM--MMMM" /* 70 */
                                "jjjjjjjjjjjjjjjj" /* 80 */
                                "MMMMMMMMMMMMMMMM" /* 90 */
                                "...MBM--...MBMMM" /* a0 */
                                "MMMMMMMMMMBMMMMM" /* b0 */
                                "MMBMBBBM........" /* c0 */
                                "MMMMMMMMMMMMMMMM" /* d0 */
                                "MMMMMMMMMMMMMMMM" /* e0 */
                                "MMMMMMMMMMMMMMMM" /* f0 */;

struct code {
    const uint8_t *p;
    size_t n, at;
    bool operands16, addresses32, wide, bad;
};

static uint8_t next(struct code *c)
{
    if (c->at < c->n)
        return c->p[c->at++];
    c->bad = true;
    return 0;
}

static uint8_t peek(const struct code *c, size_t after)
{
    return c->at + after < c->n ? c->p[c->at + after] : 0;
}

static void skip(struct code *c, size_t n)
{
    if (c->n - c->at < n)
        c->bad = true;
    else
        c->at += n;
}

/* The ModRM byte and what of an address follows it; its REG. */
static unsigned modrm(struct code *c)
{
    uint8_t m = next(c);
    unsigned mod = m >> 6, rm = m & 7;

    if (mod == 3)
        return m >> 3 & 7;
    uint8_t sib = rm == 4 ? next(c) : 0;

    if (mod == 1)
        skip(c, 1);
    else if (mod == 2 || rm == 5 || (rm == 4 && (sib & 7) == 5))
        skip(c, 4);
    return m >> 3 & 7;
}

static void follow(struct code *c, char what)
{
    size_t z = c->operands16 && !c->wide ? 2 : 4;
    unsigned reg = strchr("MBZGH", what) ? modrm(c) : 0;

    switch (what) {
    case 'b':
    case 'B':
        skip(c, 1);
        break;
    case 'w':
        skip(c, 2);
        break;
    case 'e':
        skip(c, 3);
        break;
    case 'j':
        skip(c, 4);
        break;
    case 'z':
    case 'Z':
        skip(c, z);
        break;
    case 'v':
        skip(c, c->wide ? 8 : z);
        break;
    case 'a':
        skip(c, c->addresses32 ? 4 : 8);
        break;
    case 'G':
        skip(c, reg < 2 ? 1 : 0);
        break;
    case 'H':
        skip(c, reg < 2 ? z : 0);
        break;
    case '-':
        c->bad = true;
        break;
    }
}

/* Prefixes, REX last; the opcode's first byte. */
static uint8_t opcode(struct code *c)
{
    for (;;) {
        uint8_t b = next(c);

        if (b >= 0x40 && b <= 0x4f) {
            c->wide = b & 8;
            return next(c);
        }
        if (b == 0x66)
            c->operands16 = true;
        else if (b == 0x67)
            c->addresses32 = true;
        else if (!b || !strchr("\xf0\xf2\xf3\x2e\x36\x3e\x26\x64\x65", b) || c->bad)
            return b;
    }
}

/* Vector instructions, whose prefix says the map of their opcode. */
static void follow_vector(struct code *c, unsigned map)
{
    uint8_t op = next(c);

    if (map == 1)
        follow(c, op == 0x77                                             ? '.'
                  : strchr("\x70\x71\x72\x73\xc2\xc4\xc5\xc6", op) && op ? 'B'
                                                                         : 'M');
    else if (map == 2 || map == 5 || map == 6 || map == 9)
        follow(c, 'M');
    else if (map == 3 || map == 8)
        follow(c, 'B');
    else
        c->bad = true;
}

static void follow_escape(struct code *c)
{
    uint8_t op = next(c);

    if (op == 0x38) {
        skip(c, 1);
        follow(c, 'M');
    } else if (op == 0x3a) {
        skip(c, 1);
        follow(c, 'B');
    } else {
        follow(c, two_bytes[op]);
    }
}

uint8_t arch_x86_64_length(const uint8_t *p, size_t n)
{
    struct code c = {.p = p, .n = n < LENGTH_MAX ? n : LENGTH_MAX};
    uint8_t op = opcode(&c), map;

    if (op == 0x0f) {
        follow_escape(&c);
    } else if (op == 0xc5) {
        skip(&c, 1);
        follow_vector(&c, 1);
    } else if (op == 0xc4 || op == 0x62 || (op == 0x8f && (peek(&c, 0) & 0x1f) >= 8)) {
        map = peek(&c, 0) & (op == 0x62 ? 7 : 0x1f);
        skip(&c, op == 0x62 ? 3 : 2);
        if (map == 10) { /* XOP: 4 bytes behind it */
            skip(&c, 1);
            follow(&c, 'M');
            skip(&c, 4);
        } else {
            follow_vector(&c, map);
        }
    } else {
        follow(&c, one_byte[op]);
    }
    return c.bad ? 0 : (uint8_t)c.at;
}
