/*
 * run_text_test: printf and histograms as text. Conversions that C has too are compared with C's
 * where both agree; the others, and the histograms, with what SystemTap prints (facts from its
 * testsuite).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "run/text.h"
#include "run/value.h"
#include "tap.h"

static void shows(const char *want, const char *fmt, const struct print_arg *args, uint32_t n)
{
    struct text t = TEXT_NEW;

    format_printf(&t, fmt, args, n);
    tap_text(text_c(&t), want, fmt);
    text_free(&t);
}

#define NUM(v) ((struct print_arg){.num = (v)})
#define STR(s) ((struct print_arg){.is_string = true, .p = (s), .len = strlen(s)})
#define ARGS(...)                                                                                  \
    (const struct print_arg[]){__VA_ARGS__},                                                       \
        sizeof((struct print_arg[]){__VA_ARGS__}) / sizeof(struct print_arg)

/* Flags, widths and precisions for which C and SystemTap agree, on numbers of all sizes. */
static void as_in_c(void)
{
    static const char *const flags[] = {"", "-", "+", " ", "0"},
                             *const widths[] = {"", "1", "5", "20"},
                             *const precs[] = {"", ".1", ".6"};
    static const int64_t numbers[] = {0, 1, -1, 42, -12345, 0xdeadbeef, INT64_MAX, INT64_MIN};
    int wrong = 0;

    for (size_t f = 0; f < 5; f++)
        for (size_t w = 0; w < 4; w++)
            for (size_t p = 0; p < 3; p++)
                for (size_t c = 0; c < 6; c++)
                    for (size_t n = 0; n < 8; n++) {
                        char ours[32], theirs[32], want[64];
                        struct text t = TEXT_NEW;
                        bool is_signed = c < 2;

                        if (strchr(flags[f], '0') && *precs[p]) /* differs: see below */
                            continue;
                        if (!is_signed && strpbrk(flags[f], "+ ")) /* undefined in C */
                            continue;
                        snprintf(ours, sizeof(ours), "%%%s%s%s%c", flags[f], widths[w], precs[p],
                                 "diuxXo"[c]);
                        snprintf(theirs, sizeof(theirs), "%%%s%s%sll%c", flags[f], widths[w],
                                 precs[p], "diuxXo"[c]);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                        snprintf(want, sizeof(want), theirs, (long long)numbers[n]);
#pragma GCC diagnostic pop
                        format_printf(&t, ours, &NUM(numbers[n]), 1);
                        if (strcmp(text_c(&t), want)) {
                            printf("# %s of %" PRId64 ": got '%s', want '%s'\n", ours, numbers[n],
                                   text_c(&t), want);
                            wrong++;
                        }
                        text_free(&t);
                    }
    tap_ok(wrong == 0, "numbers as in C");
}

static void conversions(void)
{
    shows("5%|-5|5|x%", "%d%%|%d|%i|x%%", ARGS(NUM(5), NUM(-5), NUM(5)));
    shows("18446744073709551615", "%u", ARGS(NUM(-1)));
    shows("1 2 3 4", "%ld %lu %li %lx", ARGS(NUM(1), NUM(2), NUM(3), NUM(4)));
    shows("0x0 0xff 0XFF 017 00", "%#x %#x %#X %#o %#o",
          ARGS(NUM(0), NUM(255), NUM(255), NUM(15), NUM(0)));
    shows("0x0 0x7fff0000 0xffffffffffffffff", "%p %p %p", ARGS(NUM(0), NUM(0x7fff0000), NUM(-1)));
    /* After a flag a 0 begins the width: SystemTap's parser takes one flag. */
    shows("  0xff|  0xff", "%#06x|%6p", ARGS(NUM(255), NUM(255)));
    shows("00000042", "%08.2d", ARGS(NUM(42)));
    shows("abc|  abc|abc  |ab|   ab", "%s|%5s|%-5s|%.2s|%5.2s",
          ARGS(STR("abc"), STR("abc"), STR("abc"), STR("abc"), STR("abc")));
    shows("  abc|abc  |ab", "%*s|%*s|%.*s",
          ARGS(NUM(5), STR("abc"), NUM(-5), STR("abc"), NUM(2), STR("abc")));
    shows("   42|42   |00042", "%*d|%*d|%.*d",
          ARGS(NUM(5), NUM(42), NUM(-5), NUM(42), NUM(5), NUM(42)));
    shows("stap|   a|a   |", "%c%c%c%c|%4c|%-4c|",
          ARGS(NUM('s'), NUM('t'), NUM('a'), NUM('p'), NUM('a'), NUM('a')));
    shows("\\n \\001 \\' a \\377", "%#c %#c %#c %#c %#c",
          ARGS(NUM('\n'), NUM(1), NUM('\''), NUM('a'), NUM(255)));
    shows("%z %", "%z %", ARGS(NUM(1)));
    shows("1  ", "%d %d %s", ARGS(NUM(1)));
    shows("", "", ARGS(NUM(1)));

    struct text t = TEXT_NEW;
    int64_t deadbeef = 0;

    memcpy(&deadbeef, "deadbeef", 8);
    format_printf(&t, "%b:%1b:%2b:%4b:%8b:%.4b:%2.4b:%4.2b:%8.1b:%-4.2b",
                  ARGS(NUM(deadbeef), NUM(deadbeef), NUM(deadbeef), NUM(deadbeef), NUM(deadbeef),
                       NUM(deadbeef), NUM(deadbeef), NUM(deadbeef), NUM(deadbeef), NUM(deadbeef)));

    static const char want[] = "deadbeef:d:de:dead:deadbeef:dead:dead:\0\0de:\0\0\0\0\0\0\0d:de\0";

    tap_ok(t.len == sizeof(want) && !memcmp(t.p, want, sizeof(want)), "%%b writes bytes");
    text_free(&t);

    format_printf(&t, "%0s|", ARGS(STR("a")));
    tap_ok(t.len == 3 && !memcmp(t.p, "a\0|", 3), "%%0s adds a NUL, as SystemTap's does");
    text_free(&t);
    format_printf(&t, "%99999999999d", ARGS(NUM(1)));
    tap_ok(t.len == CONVERSION_MAX, "a width is bounded");
    text_free(&t);
}

static void specs(void)
{
    struct text t = TEXT_NEW;

    format_number(&t, conv_of_spec(NGS_SPEC('d', 0, 0, 0xffff)), -7);
    format_number(&t, conv_of_spec(NGS_SPEC('x', NGS_SPEC_ALT | NGS_SPEC_ZERO, 8, 0xffff)), 255);
    format_bytes(&t, conv_of_spec(NGS_SPEC('s', NGS_SPEC_LEFT, 5, 2)), "abc", 3);
    tap_text(text_c(&t), "-70x0000ffab   ", "a spec word means what the conversion does");
    text_free(&t);

    char buf[9];
    struct text small = TEXT_FIXED(buf, 8);

    text_str(&small, "12345");
    text_str(&small, "67890");
    tap_ok(small.cut && small.len == 8 && !strcmp(buf, "12345678"),
           "a full text is cut and says so");
}

/* ---- histograms ---- */

static void hist(const char *name, const char *want, const struct ngs_stats *s, uint32_t kind,
                 const int64_t *args)
{
    struct text t = TEXT_NEW;

    format_hist(&t, s->buckets, kind, args);
    tap_text(text_c(&t), want, name);
    text_free(&t);
}

static struct ngs_stats *stats_new(uint32_t kind, const int64_t *args)
{
    struct ngs_stats *s = malloc(stats_size(kind, args));

    stats_init(s, stats_size(kind, args));
    return s;
}

static void log_histograms(void)
{
    static const int64_t none[3];
    struct ngs_stats *s = stats_new(NGS_HIST_LOG, none);

    for (int i = 0; i < 128; i++)
        stats_add(s, NGS_HIST_LOG, none, i);
    hist("values from 0",
         "value |-------------------------------------------------- count\n"
         "    0 |                                                    1\n"
         "    1 |                                                    1\n"
         "    2 |@                                                   2\n"
         "    4 |@@                                                  4\n"
         "    8 |@@@@                                                8\n"
         "   16 |@@@@@@@@                                           16\n"
         "   32 |@@@@@@@@@@@@@@@@                                   32\n"
         "   64 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@                   64\n"
         "  128 |                                                    0\n"
         "  256 |                                                    0\n\n",
         s, NGS_HIST_LOG, none);

    stats_init(s, stats_size(NGS_HIST_LOG, none));
    stats_add(s, NGS_HIST_LOG, none, -1);
    stats_add(s, NGS_HIST_LOG, none, 1);
    hist("both sides of 0",
         "value |-------------------------------------------------- count\n"
         "   -4 |                                                   0\n"
         "   -2 |                                                   0\n"
         "   -1 |@                                                  1\n"
         "    0 |                                                   0\n"
         "    1 |@                                                  1\n"
         "    2 |                                                   0\n"
         "    4 |                                                   0\n\n",
         s, NGS_HIST_LOG, none);
    tap_ok(s->buckets[63] == 1 && s->buckets[65] == 1, "-1 is in bucket 63, 1 in 65");

    stats_init(s, stats_size(NGS_HIST_LOG, none));
    stats_add(s, NGS_HIST_LOG, none, 0);
    hist("only 0",
         "value |-------------------------------------------------- count\n"
         "    0 |@                                                  1\n"
         "    1 |                                                   0\n"
         "    2 |                                                   0\n\n",
         s, NGS_HIST_LOG, none);

    stats_init(s, stats_size(NGS_HIST_LOG, none));
    stats_add(s, NGS_HIST_LOG, none, INT64_MAX);
    hist("the largest",
         "              value |-------------------------------------------------- count\n"
         "1152921504606846976 |                                                   0\n"
         "2305843009213693952 |                                                   0\n"
         "4611686018427387904 |@                                                  1\n\n",
         s, NGS_HIST_LOG, none);

    stats_init(s, stats_size(NGS_HIST_LOG, none));
    stats_add(s, NGS_HIST_LOG, none, INT64_MIN);
    tap_ok(s->buckets[0] == 1, "the smallest is in bucket 0");

    stats_init(s, stats_size(NGS_HIST_LOG, none));
    stats_add(s, NGS_HIST_LOG, none, 1);
    stats_add(s, NGS_HIST_LOG, none, 1 << 20);
    hist("a gap",
         "  value |-------------------------------------------------- count\n"
         "      0 |                                                   0\n"
         "      1 |@                                                  1\n"
         "      2 |                                                   0\n"
         "      4 |                                                   0\n"
         "        ~\n"
         " 262144 |                                                   0\n"
         " 524288 |                                                   0\n"
         "1048576 |@                                                  1\n"
         "2097152 |                                                   0\n"
         "4194304 |                                                   0\n\n",
         s, NGS_HIST_LOG, none);
    free(s);
}

static void linear_histograms(void)
{
    static const int64_t near[3] = {0, 1500, 50}, over[3] = {0, 100, 10},
                         under[3] = {1800, 2500, 100}, one[3] = {0, 0, 1},
                         both[3] = {250, 1000, 50};
    struct ngs_stats *s = stats_new(NGS_HIST_LINEAR, near);

    stats_add(s, NGS_HIST_LINEAR, near, 444);
    stats_add(s, NGS_HIST_LINEAR, near, 999);
    hist("linear, nearly empty",
         "value |-------------------------------------------------- count\n"
         "  300 |                                                   0\n"
         "  350 |                                                   0\n"
         "  400 |@                                                  1\n"
         "  450 |                                                   0\n"
         "  500 |                                                   0\n"
         "      ~\n"
         "  850 |                                                   0\n"
         "  900 |                                                   0\n"
         "  950 |@                                                  1\n"
         " 1000 |                                                   0\n"
         " 1050 |                                                   0\n\n",
         s, NGS_HIST_LINEAR, near);
    free(s);

    s = stats_new(NGS_HIST_LINEAR, over);
    for (int i = 1000; i < 10000; i++)
        stats_add(s, NGS_HIST_LINEAR, over, i);
    hist("linear, all over",
         "value |-------------------------------------------------- count\n"
         "   90 |                                                      0\n"
         "  100 |                                                      0\n"
         " >100 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@ 9000\n\n",
         s, NGS_HIST_LINEAR, over);
    free(s);

    s = stats_new(NGS_HIST_LINEAR, under);
    for (int i = 0; i < 100; i++)
        stats_add(s, NGS_HIST_LINEAR, under, i);
    hist("linear, all under",
         "value |-------------------------------------------------- count\n"
         "<1800 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@ 100\n"
         " 1800 |                                                     0\n"
         " 1900 |                                                     0\n\n",
         s, NGS_HIST_LINEAR, under);
    free(s);

    s = stats_new(NGS_HIST_LINEAR, one);
    for (int i = 0; i < 128; i++)
        stats_add(s, NGS_HIST_LINEAR, one, 0);
    hist("linear, one row",
         "value |-------------------------------------------------- count\n"
         "    0 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@         128\n\n",
         s, NGS_HIST_LINEAR, one);
    free(s);

    s = stats_new(NGS_HIST_LINEAR, both);
    for (int k = 0; k < 100; k++)
        for (int m = 1; m <= 15; m++)
            for (int twice = 0; twice < (m == 12 ? 2 : 1); twice++)
                stats_add(s, NGS_HIST_LINEAR, both, k * m);
    hist("linear, over and under",
         "value |-------------------------------------------------- count\n"
         " <250 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@   680\n"
         "  250 |@@@@@@                                              94\n"
         "  300 |@@@@@                                               79\n"
         "  350 |@@@@@                                               79\n"
         "  400 |@@@@                                                65\n"
         "  450 |@@@@                                                67\n"
         "  500 |@@@                                                 55\n"
         "  550 |@@@                                                 54\n"
         "  600 |@@@                                                 51\n"
         "  650 |@@@                                                 45\n"
         "  700 |@@                                                  41\n"
         "  750 |@@                                                  40\n"
         "  800 |@@                                                  34\n"
         "  850 |@@                                                  33\n"
         "  900 |@@                                                  31\n"
         "  950 |@                                                   27\n"
         " 1000 |@                                                   23\n"
         ">1000 |@@@@@@@                                            102\n\n",
         s, NGS_HIST_LINEAR, both);
    free(s);

    static const int64_t bad[][3] = {
        {0, 1500, -1}, {0, 1500, 0}, {10, 0, 1}, {0, 1 << 20, 1}, {INT64_MIN, INT64_MAX, 1}};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        tap_ok(ngs_hist_buckets(NGS_HIST_LINEAR, bad[i]) == 0, "limits that make no histogram, %zu",
               i + 1);
}

static void aggregates(void)
{
    static const int64_t none[3];
    struct ngs_stats *s = stats_new(NGS_HIST_NONE, none);
    int64_t v = 9;

    tap_ok(stats_get(s, NGS_STAT_COUNT, &v) && v == 0, "@count of nothing is 0");
    tap_ok(stats_get(s, NGS_STAT_SUM, &v) && v == 0, "@sum of nothing is 0");
    tap_ok(!stats_get(s, NGS_STAT_AVG, &v) && !stats_get(s, NGS_STAT_MIN, &v) &&
               !stats_get(s, NGS_STAT_MAX, &v),
           "@avg, @min, @max of nothing fail");
    for (int i = 1; i <= 5; i++)
        stats_add(s, NGS_HIST_NONE, none, i * 2 - 7); /* -5 -3 -1 1 3 */
    tap_ok(stats_get(s, NGS_STAT_COUNT, &v) && v == 5, "@count");
    tap_ok(stats_get(s, NGS_STAT_SUM, &v) && v == -5, "@sum");
    tap_ok(stats_get(s, NGS_STAT_MIN, &v) && v == -5, "@min");
    tap_ok(stats_get(s, NGS_STAT_MAX, &v) && v == 3, "@max");
    tap_ok(stats_get(s, NGS_STAT_AVG, &v) && v == -1, "@avg");
    tap_ok(stats_get(s, NGS_STAT_VARIANCE, &v) && v == 10, "@variance");
    free(s);
}

int main(void)
{
    as_in_c();
    conversions();
    specs();
    log_histograms();
    linear_histograms();
    aggregates();
    return tap_done();
}
