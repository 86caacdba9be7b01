/*
 * generate: random SystemTap scripts for two implementations to agree on. Enters: seeds, each
 * giving one program, always the same; leaves: a script on standard output, a probe for each seed,
 * in the order given, that prints what it computes. Programs are right by their types, end by
 * themselves, and do nothing whose order SystemTap leaves open: within an expression nothing
 * changes a variable, and what is printed of a foreach does not depend on the order of equal
 * elements. Names begin with the seed, so that programs can share a script. It refuses what is no
 * seed.
 *
 *   generate [-k] [-f] [-p POINT] SEED...
 *
 *   -k   only what a handler in the kernel can do alone
 *   -f   no array that wraps gets full: what it forgets then in the kernel is not exact
 *   -p   the probe point (default: begin)
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_LONG = 3, N_STR = 2, KEYS = 7, MAX_DEPTH = 3, MAX_LOOPS = 2 };

struct gen {
    uint64_t state;
    unsigned long seed;
    bool kernel;     /* -k */
    bool never_full; /* -f */
    bool function;   /* in one: it touches no globals, returns a value */
    bool text;       /* the function's value is a string */
    bool loop;       /* break and continue mean something */
    int loops;       /* counters in use: i0, i1, ... */
    int tries;       /* messages that can be read: e0, e1, ... */
    int indent;
};

static void a_long(struct gen *g, int depth);
static void a_string(struct gen *g, int depth);
static void a_block(struct gen *g, int depth, int n);

/* splitmix64 (public domain, Sebastiano Vigna) */
static uint64_t next_random(struct gen *g)
{
    uint64_t z = (g->state += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static int pick(struct gen *g, int n)
{
    return (int)(next_random(g) % (uint64_t)n);
}

static bool chance(struct gen *g, int percent)
{
    return pick(g, 100) < percent;
}

static const char *word(struct gen *g, const char *const *words, size_t n)
{
    return words[pick(g, (int)n)];
}

#define WORD(g, ...)                                                                               \
    word(g, (const char *const[]){__VA_ARGS__},                                                    \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void start_line(const struct gen *g)
{
    printf("%*s", g->indent * 4, "");
}

/* ---- names ---- */

static void long_variable(struct gen *g)
{
    if (!g->function && chance(g, 30))
        printf("s%lu_g%d", g->seed, pick(g, N_LONG));
    else
        printf("l%d", pick(g, N_LONG));
}

static void string_variable(struct gen *g)
{
    if (!g->function && chance(g, 30))
        printf("s%lu_t%d", g->seed, pick(g, N_STR));
    else
        printf("t%d", pick(g, N_STR));
}

static void small_key(struct gen *g, int depth)
{
    if (g->loops && chance(g, 40)) {
        printf("i%d", pick(g, g->loops));
    } else if (chance(g, 50)) {
        printf("%d", pick(g, KEYS));
    } else {
        printf("(");
        a_long(g, depth);
        printf(") %% %d", KEYS);
    }
}

static void string_key(struct gen *g, int depth)
{
    if (chance(g, 60))
        printf("\"k%d\"", pick(g, KEYS));
    else if (chance(g, 60)) {
        printf("sprintf(\"k%%d\", ");
        small_key(g, depth);
        printf(")");
    } else {
        a_string(g, depth);
    }
}

/* An element of an array of numbers. */
static void element(struct gen *g, int depth)
{
    switch (pick(g, 4)) {
    case 0:
        printf("s%lu_n[", g->seed);
        small_key(g, depth);
        break;
    case 1:
        printf("s%lu_s[", g->seed);
        string_key(g, depth);
        break;
    case 2:
        printf("s%lu_w[", g->seed);
        small_key(g, depth);
        break;
    default:
        printf("s%lu_m[", g->seed);
        small_key(g, depth);
        printf(", ");
        string_key(g, depth);
        break;
    }
    printf("]");
}

/* ---- numbers ---- */

static void long_literal(struct gen *g)
{
    switch (pick(g, 6)) {
    case 0:
        printf("%s",
               WORD(g, "9223372036854775807", "(-9223372036854775807 - 1)", "(-1)", "0x7fffffff",
                    "0x80000000", "0xffffffff", "0x100000000", "4294967297", "(-2147483648)", "0"));
        break;
    case 1:
        printf("0x%x", (unsigned)next_random(g));
        break;
    case 2:
        printf("(-%d)", pick(g, 1000));
        break;
    default:
        printf("%d", pick(g, 20));
        break;
    }
}

static void compare(struct gen *g, int depth)
{
    bool text = chance(g, 30);

    printf("(");
    if (text)
        a_string(g, depth - 1);
    else
        a_long(g, depth - 1);
    printf(" %s ", WORD(g, "<", "<=", ">", ">=", "==", "!="));
    if (text)
        a_string(g, depth - 1);
    else
        a_long(g, depth - 1);
    printf(")");
}

static void number_of_text(struct gen *g, int depth)
{
    printf("strlen(");
    a_string(g, depth - 1);
    printf(")");
}

static void user_number(struct gen *g, int depth)
{
    switch (pick(g, 3)) {
    case 0:
        printf("strtol(");
        a_string(g, depth - 1);
        printf(", %s)", WORD(g, "10", "16", "8", "0", "2"));
        break;
    case 1:
        printf("isinstr(");
        a_string(g, depth - 1);
        printf(", ");
        a_string(g, depth - 1);
        printf(")");
        break;
    default:
        printf("strlen(substr(");
        a_string(g, depth - 1);
        printf(", %d, %d))", pick(g, 6), pick(g, 9));
        break;
    }
}

static void call_long(struct gen *g, int depth)
{
    switch (pick(g, 3)) {
    case 0:
        printf("s%lu_add(", g->seed);
        a_long(g, depth - 1);
        printf(", ");
        a_long(g, depth - 1);
        break;
    case 1:
        printf("s%lu_deep(%d, ", g->seed, pick(g, 6));
        a_long(g, depth - 1);
        break;
    default:
        printf("s%lu_add(strlen(s%lu_say(", g->seed, g->seed);
        a_string(g, depth - 1);
        printf(", ");
        a_long(g, depth - 1);
        printf(")), 1");
        break;
    }
    printf(")");
}

static void a_binary(struct gen *g, int depth)
{
    const char *op = WORD(g, "+", "-", "*", "+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>");

    printf("(");
    a_long(g, depth - 1);
    printf(" %s ", op);
    if (op[1]) {
        printf("("); /* shifts by more than there are bits are undefined in SystemTap's C */
        a_long(g, depth - 1);
        printf(" & 63)");
    } else if (strchr("/%", *op) && chance(g, 90)) { /* else little is reached */
        printf("(");
        a_long(g, depth - 1);
        printf(" | 1)");
    } else {
        a_long(g, depth - 1);
    }
    printf(")");
}

static void a_long(struct gen *g, int depth)
{
    int kind = depth <= 0 ? pick(g, 3) : pick(g, 14);

    switch (kind) {
    case 0:
        long_literal(g);
        break;
    case 1:
        if (g->loops && chance(g, 50))
            printf("i%d", pick(g, g->loops));
        else
            long_variable(g);
        break;
    case 2:
        if (g->function)
            long_variable(g);
        else
            element(g, 0);
        break;
    case 3:
        compare(g, depth);
        break;
    case 4:
        printf("(");
        a_long(g, depth - 1);
        printf(" %s ", WORD(g, "&&", "||"));
        a_long(g, depth - 1);
        printf(")");
        break;
    case 5:
        printf("(%s", WORD(g, "!", "~", "- "));
        a_long(g, depth - 1);
        printf(")");
        break;
    case 6:
        printf("(");
        compare(g, depth);
        printf(" ? ");
        a_long(g, depth - 1);
        printf(" : ");
        a_long(g, depth - 1);
        printf(")");
        break;
    case 7:
        number_of_text(g, depth);
        break;
    case 8:
        if (g->kernel)
            number_of_text(g, depth);
        else
            user_number(g, depth);
        break;
    case 9:
        if (g->function)
            a_binary(g, depth);
        else
            call_long(g, depth);
        break;
    case 10:
        if (g->function) {
            a_binary(g, depth);
        } else if (chance(g, 50)) {
            printf("(");
            small_key(g, depth - 1);
            printf(" in s%lu_n)", g->seed);
        } else {
            printf("([");
            small_key(g, depth - 1);
            printf(", ");
            string_key(g, depth - 1);
            printf("] in s%lu_m)", g->seed);
        }
        break;
    default:
        a_binary(g, depth);
        break;
    }
}

/* ---- strings ---- */

static void conversion(struct gen *g, char *out, size_t size, bool number)
{
    const char *conv = number ? WORD(g, "d", "i", "u", "x", "X", "o", "p", "d", "x", "ld") : "s";
    const char *flag = number ? WORD(g, "", "", "-", "+", " ", "#", "0") : WORD(g, "", "-");
    char width[8] = "", precision[8] = "";

    if (chance(g, 50))
        snprintf(width, sizeof(width), "%d", 1 + pick(g, 12));
    if (chance(g, 25))
        snprintf(precision, sizeof(precision), ".%d", pick(g, 8));
    snprintf(out, size, "%%%s%s%s%s", flag, width, precision, conv);
}

static void string_literal(struct gen *g)
{
    printf("\"%s\"",
           WORD(g, "", "a", "abc", "hello world", "12", "-77x", "0x1F", "017", "a,b;c", "k1", "k2",
                "\\t|\\n", "\\\"quoted\\\"", "Zz", "the quick brown fox jumps over the lazy dog",
                "\\101\\351", "99999999999999999999"));
}

static void a_sprintf(struct gen *g, int depth)
{
    char format[3][32];
    int n = 1 + pick(g, 3), types[3];

    for (int i = 0; i < n; i++) {
        types[i] = pick(g, 4);
        if (types[i] == 3)
            snprintf(format[i], sizeof(format[i]), "%%c");
        else
            conversion(g, format[i], sizeof(format[i]), types[i] != 0);
    }
    printf("sprintf(\"");
    for (int i = 0; i < n; i++)
        printf("%s%s", i ? WORD(g, "|", " ", "%%") : "", format[i]);
    printf("\"");
    for (int i = 0; i < n; i++) {
        printf(", ");
        if (types[i] == 0) {
            a_string(g, depth - 1);
        } else if (types[i] == 3) {
            printf("33 + ((");
            a_long(g, depth - 1);
            printf(") & 63)");
        } else {
            a_long(g, depth - 1);
        }
    }
    printf(")");
}

static void user_text(struct gen *g, int depth)
{
    switch (pick(g, 4)) {
    case 0:
        printf("substr(");
        a_string(g, depth - 1);
        printf(", %d, %d)", pick(g, 12) - 2, pick(g, 12) - 1);
        break;
    case 1:
        printf("str_replace(");
        a_string(g, depth - 1);
        printf(", \"%s\", ", WORD(g, "a", "abc", "o", "1", "k", "xyz"));
        a_string(g, depth - 1);
        printf(")");
        break;
    case 2:
        printf("tokenize(");
        a_string(g, depth - 1);
        printf(", \"%s\")", WORD(g, ",", ",;", " ", "o", "x"));
        break;
    default:
        printf("sprintd(\"%s\", ", WORD(g, ",", "", ": "));
        a_long(g, depth - 1);
        printf(", ");
        a_string(g, depth - 1);
        printf(")");
        break;
    }
}

static void a_string(struct gen *g, int depth)
{
    switch (depth <= 0 ? pick(g, 3) : pick(g, 9)) {
    case 0:
        string_literal(g);
        break;
    case 1:
        if (g->tries && chance(g, 30))
            printf("e%d", pick(g, g->tries));
        else
            string_variable(g);
        break;
    case 2:
        if (g->function) {
            string_variable(g);
        } else {
            printf("s%lu_x[", g->seed);
            small_key(g, 0);
            printf("]");
        }
        break;
    case 3:
        a_sprintf(g, depth);
        break;
    case 4:
        printf("(");
        compare(g, depth - 1);
        printf(" ? ");
        a_string(g, depth - 1);
        printf(" : ");
        a_string(g, depth - 1);
        printf(")");
        break;
    case 5:
        if (g->kernel)
            a_sprintf(g, depth);
        else if (g->function) /* tokenize() has a memory */
            string_variable(g);
        else
            user_text(g, depth);
        break;
    case 6:
        if (g->function) {
            string_variable(g);
        } else {
            printf("s%lu_say(", g->seed);
            a_string(g, depth - 1);
            printf(", ");
            a_long(g, depth - 1);
            printf(")");
        }
        break;
    default:
        printf("(");
        a_string(g, depth - 1);
        printf(" . ");
        a_string(g, depth - 1);
        printf(")");
        break;
    }
}

/* ---- statements ---- */

static void print_something(struct gen *g, int depth)
{
    char format[32];

    switch (pick(g, 5)) {
    case 0:
        printf("println(");
        a_long(g, depth);
        printf(", \" \", ");
        a_string(g, depth);
        printf(")\n");
        break;
    case 1:
        printf("%s(\"%s\", ", WORD(g, "printdln", "printdln"), WORD(g, "-", " | ", ""));
        a_string(g, depth);
        printf(", ");
        a_long(g, depth);
        printf(", ");
        a_string(g, 1);
        printf(")\n");
        break;
    case 2:
        printf("printf(\"%%*d|%%-*s|%%.*s\\n\", %d, ", pick(g, 9));
        a_long(g, depth);
        printf(", %d, ", pick(g, 9));
        a_string(g, depth);
        printf(", %d, ", pick(g, 9));
        a_string(g, depth);
        printf(")\n");
        break;
    default:
        conversion(g, format, sizeof(format), true);
        printf("printf(\"<%s>", format);
        conversion(g, format, sizeof(format), false);
        printf("<%s>\\n\", ", format);
        a_long(g, depth);
        printf(", ");
        a_string(g, depth);
        printf(")\n");
        break;
    }
}

static void array_statement(struct gen *g, int depth)
{
    switch (pick(g, 9)) {
    case 0:
    case 1:
        element(g, 1);
        printf(" = ");
        a_long(g, depth);
        break;
    case 2:
        element(g, 1);
        printf(" %s ", WORD(g, "+=", "-=", "*=", "|=", "^=", "%="));
        a_long(g, depth);
        break;
    case 3:
        element(g, 1);
        printf("%s", WORD(g, "++", "--"));
        break;
    case 4:
        printf("delete ");
        element(g, 1);
        break;
    case 5:
        printf("s%lu_x[", g->seed);
        small_key(g, 1);
        printf("] %s ", WORD(g, "=", ".="));
        a_string(g, depth);
        break;
    case 6:
        printf("s%lu_a <<< ", g->seed);
        a_long(g, depth);
        break;
    case 7:
        printf("s%lu_b[", g->seed);
        small_key(g, 1);
        printf("] <<< ");
        a_long(g, depth);
        break;
    default:
        printf("s%lu_h <<< (", g->seed);
        a_long(g, depth);
        printf(") %% 100");
        break;
    }
    printf("\n");
}

/* A foreach prints values, or a sum: equal values may come in any order, but they are equal. */
static void a_foreach(struct gen *g)
{
    int id = g->loops;

    switch (pick(g, 6)) {
    case 0:
        printf("foreach (f%d%s in s%lu_n%s) printf(\"%%d=%%d \", f%d, s%lu_n[f%d])\n", id,
               WORD(g, "+", "-"), g->seed, WORD(g, "", " limit 3", " limit 1", " limit l0 & 3"), id,
               g->seed, id);
        break;
    case 1:
        printf("foreach (q%d%s in s%lu_s) printf(\"%%s=%%d \", q%d, s%lu_s[q%d])\n", id,
               WORD(g, "+", "-"), g->seed, id, g->seed, id);
        break;
    case 2:
        printf("foreach (f%d in s%lu_n%s) printf(\"%%d \", s%lu_n[f%d])\n", id, g->seed,
               WORD(g, "+", "-", "- limit 2", "+ limit 4"), g->seed, id);
        break;
    case 3:
        printf("foreach ([f%d%s, q%d] in s%lu_m) printf(\"%%d \", f%d)\n", id, WORD(g, "+", "-"),
               id, g->seed, id);
        break;
    case 4:
        printf("foreach (f%d in s%lu_b%s) printf(\"%%d \", @%s(s%lu_b[f%d]))\n", id, g->seed,
               WORD(g, "-", "+"), "count", g->seed, id);
        break;
    default: /* not of the array that wraps: SystemTap would forget its elements in the new order */
        printf("foreach (v%d = f%d%s in s%lu_n) printf(\"%%d,%%d \", v%d, f%d)\n", id, id,
               WORD(g, "+", "-"), g->seed, id, id);
        break;
    }
    start_line(g);
    printf("println(\"\")\n");
}

static void a_loop(struct gen *g, int depth)
{
    bool before = g->loop;
    int i = g->loops, turns = 1 + pick(g, 5);

    if (chance(g, 50))
        printf("for (i%d = 0; i%d < %d; i%d++) {\n", i, i, turns, i);
    else
        printf("i%d = -1\n%*swhile (++i%d < %d) {\n", i, g->indent * 4, "", i, turns);
    g->loops++;
    g->loop = true;
    a_block(g, depth - 1, 1 + pick(g, 3));
    g->loop = before;
    g->loops--;
    start_line(g);
    printf("}\n");
}

static void a_try(struct gen *g, int depth)
{
    printf("try {\n");
    a_block(g, depth - 1, 1 + pick(g, 3));
    g->indent++;
    if (chance(g, 25) && !g->function) {
        start_line(g);
        printf("error(");
        a_string(g, 1);
        printf(")\n");
    }
    g->indent--;
    start_line(g);
    printf("} catch (e%d) {\n", g->tries++);
    g->indent++;
    start_line(g);
    if (g->function)
        printf("t0 .= e%d\n", g->tries - 1);
    else
        printf("println(\"caught \", e%d)\n", g->tries - 1);
    g->indent--;
    a_block(g, depth - 1, 1);
    g->tries--;
    start_line(g);
    printf("}\n");
}

static void jump(struct gen *g)
{
    printf("if (");
    compare(g, 1);
    printf(") ");
    if (g->loop && chance(g, 80))
        printf("%s\n", WORD(g, "break", "continue"));
    else if (g->function) {
        printf("return ");
        if (g->text)
            a_string(g, 1);
        else
            a_long(g, 1);
        printf("\n");
    } else {
        printf("error(\"enough\")\n"); /* not next: the end must be seen */
    }
}

static void statistics(struct gen *g)
{
    const char *what = WORD(g, "@count", "@sum", "@min", "@max", "@avg");

    if (chance(g, 50))
        printf("println(%s(s%lu_a))\n", what, g->seed);
    else
        printf("println(%s(s%lu_b[%d]))\n", what, g->seed, pick(g, KEYS));
}

static void a_statement(struct gen *g, int depth)
{
    start_line(g);
    switch (pick(g, depth > 0 ? 14 : 6)) {
    case 0:
        long_variable(g);
        if (chance(g, 10)) {
            printf(" %s (", WORD(g, "/=", "%="));
            a_long(g, MAX_DEPTH);
            printf(") | 1\n");
        } else {
            printf(" %s ", WORD(g, "=", "=", "=", "+=", "-=", "*=", "&=", "|=", "^="));
            a_long(g, MAX_DEPTH);
            printf("\n");
        }
        break;
    case 1:
        string_variable(g);
        printf(" %s ", WORD(g, "=", "=", ".="));
        a_string(g, MAX_DEPTH);
        printf("\n");
        break;
    case 2:
        long_variable(g);
        printf("%s\n", WORD(g, "++", "--"));
        break;
    case 3:
    case 4:
        if (g->function) {
            printf("l%d = ", pick(g, N_LONG));
            a_long(g, MAX_DEPTH);
            printf("\n");
        } else {
            array_statement(g, 2);
        }
        break;
    case 6:
    case 7:
        printf("if (");
        a_long(g, 2);
        printf(") {\n");
        a_block(g, depth - 1, 1 + pick(g, 2));
        start_line(g);
        printf("}");
        if (chance(g, 50)) {
            printf(" else {\n");
            a_block(g, depth - 1, 1 + pick(g, 2));
            start_line(g);
            printf("}");
        }
        printf("\n");
        break;
    case 8:
        if (g->loops < MAX_LOOPS) {
            a_loop(g, depth);
            break;
        } /* fall through */
    case 9:
        if (g->loop || g->function || chance(g, 2))
            jump(g);
        else
            printf("l0 = l1 = l2 + 1\n");
        break;
    case 10:
        a_try(g, depth);
        break;
    case 11:
        if (!g->function) {
            if (!g->kernel && chance(g, 60))
                a_foreach(g);
            else
                statistics(g);
            break;
        } /* fall through */
    case 12:
        if (!g->function) {
            printf("s%lu_change(", g->seed);
            a_long(g, 1);
            printf(")\n");
            break;
        } /* fall through */
    default:
        if (g->function)
            printf("l0++\n");
        else
            print_something(g, 2);
        break;
    }
}

static void a_block(struct gen *g, int depth, int n)
{
    g->indent++;
    while (n-- > 0)
        a_statement(g, depth);
    g->indent--;
}

/* ---- programs ---- */

static void locals(struct gen *g, const char *first)
{
    printf("    l0 = %s\n    l1 = %d\n    l2 = -3\n    t0 = \"%s\"\n    t1 = \"\"\n", first,
           pick(g, 9), WORD(g, "", "x", "start"));
}

static void functions(struct gen *g)
{
    g->function = true;
    printf("function s%lu_add:long(a:long, b:long)\n{\n", g->seed);
    locals(g, "a");
    printf("    l1 = b\n");
    a_block(g, 2, 2 + pick(g, 3));
    printf("    return l0 + l1 * 3 - l2 + strlen(t0) + strlen(t1)\n}\n\n");

    g->text = true;
    printf("function s%lu_say:string(s:string, n:long)\n{\n", g->seed);
    locals(g, "n");
    printf("    t1 = s\n");
    a_block(g, 2, 2 + pick(g, 3));
    printf("    return t0 . t1 . sprintf(\"%%d\", l0 + l1 + l2)\n}\n\n");
    g->text = false;

    printf("function s%lu_deep:long(n:long, x:long)\n{\n", g->seed);
    locals(g, "x");
    printf("    if (n <= 0) return ");
    a_long(g, 2);
    printf("\n    l1 = s%lu_deep(n - %d, l0 ^ n)\n", g->seed, 1 + pick(g, 2));
    a_block(g, 1, 1 + pick(g, 2));
    printf("    return l0 + l1 + l2 + strlen(t0) + strlen(t1)\n}\n\n");
    g->function = false;

    printf("function s%lu_change(x:long)\n{\n    s%lu_g0 += x\n    s%lu_n[x %% %d]++\n    s%lu_t0 "
           ".= sprintf(\"%%d \", x)\n"
           "    if (x < -5) error(sprintf(\"changed by %%d\", x))\n}\n\n",
           g->seed, g->seed, g->seed, KEYS, g->seed);
}

/* What is left in the globals. */
static void show(struct gen *g)
{
    unsigned long s = g->seed;

    printf(
        "    printf(\"%%d %%d %%d [%%s] [%%s]\\n\", s%lu_g0, s%lu_g1, s%lu_g2, s%lu_t0, s%lu_t1)\n",
        s, s, s, s, s);
    printf("    for (i = %d; i < %d; i++) {\n", 1 - KEYS, KEYS);
    printf("        if (i in s%lu_n) printf(\"n%%d=%%d \", i, s%lu_n[i])\n", s, s);
    printf("        if (i in s%lu_w) printf(\"w%%d=%%d \", i, s%lu_w[i])\n", s, s);
    printf("        if (i in s%lu_x) printf(\"x%%d=%%s \", i, s%lu_x[i])\n", s, s);
    printf("        if (i in s%lu_b) printf(\"b%%d=%%d,%%d,%%d \", i, @count(s%lu_b[i]), "
           "@sum(s%lu_b[i]), @max(s%lu_b[i]))\n",
           s, s, s, s);
    printf("        k = sprintf(\"k%%d\", i)\n");
    printf("        if (k in s%lu_s) printf(\"s%%s=%%d \", k, s%lu_s[k])\n", s, s);
    printf("        if ([i, k] in s%lu_m) printf(\"m%%d=%%d \", i, s%lu_m[i, k])\n    }\n    "
           "println(\"\")\n",
           s, s);
    printf("    println(@count(s%lu_a), \" \", @count(s%lu_h))\n", s, s);
    if (g->kernel)
        return;
    printf("    if (@count(s%lu_a)) print(@hist_log(s%lu_a))\n", s, s);
    printf("    if (@count(s%lu_h)) print(@hist_linear(s%lu_h, -50, 50, 20))\n", s, s);
    printf("    foreach ([i+, k] in s%lu_m) t += i * 3\n    println(t)\n", s);
    printf("    foreach (k+ in s%lu_s) printf(\"%%s:%%d \", k, s%lu_s[k])\n    println(\"\")\n", s,
           s);
}

static void program(struct gen *g, const char *point)
{
    unsigned long s = g->seed;

    printf("// ---- %lu\n", s);
    printf("global s%lu_g0 = %d, s%lu_g1 = -%d, s%lu_g2\n", s, pick(g, 100), s, pick(g, 100), s);
    printf("global s%lu_t0 = \"%s\", s%lu_t1\n", s, WORD(g, "", "initial", "k3"), s);
    printf("global s%lu_n[%d], s%lu_s[%d], s%lu_m[40], s%lu_x[20], s%lu_w%%[%d], s%lu_a, s%lu_b, "
           "s%lu_h\n\n",
           s, 7 + pick(g, 12), s, 7 + pick(g, 5), s, s, s, g->never_full ? 40 : 3 + pick(g, 5), s,
           s, s);
    functions(g);
    printf("probe %s\n{\n    println(\"== %lu\")\n", point, s);
    locals(g, "5");
    if (!g->kernel) /* what an earlier program left */
        printf("    t1 = tokenize(\"x\", \",\") . tokenize(\"\", \",\")\n");
    printf("    s%lu_g2 = %d\n    s%lu_t1 = \"global\"\n", s, pick(g, 1000), s);
    printf("    for (i = 0; i < %d; i++) {\n", 2 + pick(g, 5));
    printf("        s%lu_n[i * 5 %% %d] = i * i\n        s%lu_s[sprintf(\"k%%d\", i)] = -i\n", s,
           KEYS, s);
    printf("        s%lu_m[i, sprintf(\"k%%d\", i)] = i + 7\n        s%lu_x[i] = "
           "sprintf(\"%%d,%%x\", i, i * 1000)\n",
           s, s);
    printf("        s%lu_w[i] = i\n        s%lu_a <<< i * 3\n        s%lu_b[i & 3] <<< -i\n        "
           "s%lu_h <<< i\n    }\n",
           s, s, s, s);
    for (int part = 2 + pick(g, 2); part > 0; part--) { /* an error ends but one of them */
        printf("    try {\n");
        g->indent = 1;
        a_block(g, 3, 3 + pick(g, 3));
        g->indent = 0;
        printf("    } catch (e) {\n        println(\"ended by \", e)\n    }\n");
        printf("    printf(\"%%d %%d %%d [%%s] [%%s]\\n\", l0, l1, l2, t0, t1)\n");
    }
    show(g);
    printf("    println(\"-- %lu\")\n}\n\n", s);
}

int main(int argc, char **argv)
{
    const char *point = "begin";
    bool kernel = false, never_full = false;
    int i = 1;

    for (; i < argc && argv[i][0] == '-'; i++) {
        if (!strcmp(argv[i], "-k")) {
            kernel = never_full = true;
        } else if (!strcmp(argv[i], "-f")) {
            never_full = true;
        } else if (!strcmp(argv[i], "-p") && i + 1 < argc) {
            point = argv[++i];
        } else {
            fprintf(stderr, "usage: generate [-k] [-f] [-p POINT] SEED...\n");
            return 1;
        }
    }
    for (; i < argc; i++) {
        char *end;
        struct gen g = {
            .kernel = kernel, .never_full = never_full, .seed = strtoul(argv[i], &end, 10)};

        if (!*argv[i] || *end) {
            fprintf(stderr, "generate: '%s' is no seed\n", argv[i]);
            return 1;
        }
        g.state = g.seed * 0x2545f4914f6cdd1d + 1;
        program(&g, point);
    }
    return 0;
}
