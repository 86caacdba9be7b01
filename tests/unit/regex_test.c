/*
 * regex_test: tables of regular expressions against the C library's regcomp() and regexec() on
 * random patterns and texts; what is refused, and where; the bounds. The walk over the table is
 * the test's own, by base/abi.h.
 */
#include "regex/regex.h"

#include <endian.h>
#include <regex.h>
#include <stdlib.h>

#include "base/abi.h"
#include "tap.h"

static uint64_t seed = 88172645463325252ull;

static uint32_t below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

static unsigned cell(const struct regex *re, unsigned at)
{
    uint16_t v;

    if (2 * at + 2 > re->size)
        abort();
    memcpy(&v, re->table + 2 * (size_t)at, 2);
    return le16toh(v);
}

static bool matches(const struct regex *re, const char *text)
{
    unsigned state = NGS_REGEX_ROWS;

    for (; *text && state >= NGS_REGEX_ROWS; text++)
        state = cell(re, state + 1 + (unsigned char)re->table[(unsigned char)*text]);
    return state >= NGS_REGEX_ROWS ? cell(re, state) : state == NGS_REGEX_YES;
}

/* ---- random patterns ---- */

struct made {
    char text[400];
    size_t len;
};

static void put(struct made *m, const char *s)
{
    size_t n = strlen(s);

    if (m->len + n < sizeof(m->text) - 1) {
        memcpy(m->text + m->len, s, n + 1);
        m->len += n;
    }
}

static void alternatives(struct made *m, int depth);

static void atom(struct made *m, int depth)
{
    static const char *const atoms[] = {
        "a",    "b",      "c",           "ab",           ".",   "[ab]", "[^a]", "[a-c]",
        "[]a]", "[^]b-]", "[[:alpha:]]", "[[:digit:]x]", "\\.", "\\*",  "1",    "[^[:space:]a]",
        "[.]",  "\\[",    "-",           "[[.a.]-c]",    "\\$", "\\^",  "[\\]", "\\\\",
    };

    if (depth < 3 && below(4) == 0) {
        put(m, "(");
        alternatives(m, depth + 1);
        put(m, ")");
    } else {
        put(m, atoms[below(sizeof(atoms) / sizeof(*atoms))]);
    }
}

static void piece(struct made *m, int depth)
{
    static const char *const often[] = {"*", "+", "?", "{2}", "{0,2}", "{1,}", "{2,3}", "{0}"};

    atom(m, depth);
    if (below(3) == 0)
        put(m, often[below(sizeof(often) / sizeof(*often))]);
}

/* Anchors stand where nothing can follow or be before them: elsewhere regexec() errs (2.36), as
 * with /$(a|.){1,}/ on "b". */
static void alternatives(struct made *m, int depth)
{
    do {
        if (!depth && below(8) == 0)
            put(m, "^");
        for (uint32_t n = 1 + below(3); n; n--)
            piece(m, depth);
        if (!depth && below(8) == 0)
            put(m, "$");
    } while (below(4) == 0 && (put(m, "|"), true));
}

static void text_of(char *out)
{
    static const char bytes[] = "aaabbbccx1 .*-]$^\\\xe9\n";
    uint32_t n = below(12);

    for (uint32_t i = 0; i < n; i++)
        out[i] = bytes[below(sizeof(bytes) - 1)];
    out[n] = '\0';
}

static void test_random(void)
{
    unsigned compared = 0, matched = 0, refused = 0, large = 0, wrong = 0;

    for (int k = 0; k < 4000 && wrong < 5; k++) {
        struct arena *a = arena_new();
        struct made m = {.len = 0};
        struct regex re;
        regex_t theirs;

        alternatives(&m, 0);
        if (regcomp(&theirs, m.text, REG_EXTENDED | REG_NOSUB)) {
            refused++;
        } else {
            if (!regex_compile(a, m.text, (uint32_t)m.len, &re) && strstr(re.error, "states")) {
                large++;
            } else if (re.error) {
                printf("# %s: %s\n", m.text, re.error);
                wrong++;
            }
            for (int t = 0; t < 40 && !re.error; t++) {
                char text[16];

                text_of(text);
                bool want = !regexec(&theirs, text, 0, NULL, 0), got = matches(&re, text);

                compared++;
                matched += want;
                if (got != want && ++wrong < 10)
                    printf("# /%s/ on \"%s\": %d, not %d\n", m.text, text, got, want);
            }
            regfree(&theirs);
        }
        arena_free(a);
    }
    printf("# %u comparisons, %u matches; patterns: %u refused by regcomp(), %u too large\n",
           compared, matched, refused, large);
    tap_ok(!wrong && large < 40 && compared > 100000 && matched > 20000,
           "random patterns match what regexec() matches");
}

static void refuses(const char *pattern, const char *why, uint32_t at)
{
    struct arena *a = arena_new();
    struct regex re = {0};
    bool ok = regex_compile(a, pattern, (uint32_t)strlen(pattern), &re);

    if (!tap_ok(!ok && re.error && strstr(re.error, why) && re.error_at == at, "/%.40s/: %s",
                pattern, why))
        printf("#  got: %s at %u\n", ok ? "a table" : re.error, re.error_at);
    arena_free(a);
}

static void takes(const char *pattern, const char *text, bool want)
{
    struct arena *a = arena_new();
    struct regex re = {0};
    bool ok = regex_compile(a, pattern, (uint32_t)strlen(pattern), &re);

    if (!tap_ok(ok && matches(&re, text) == want, "/%.40s/ %s \"%.40s\"", pattern,
                want ? "matches" : "does not match", text))
        printf("# %s\n", ok ? "the other answer" : re.error);
    arena_free(a);
}

static void test_refusals(void)
{
    char deep[300], many[64];

    refuses("a(b", "not closed", 1);
    refuses("ab)", "closes nothing", 2);
    refuses("x[ab", "not closed", 1);
    refuses("[[:alhpa:]]", "no such class", 1);
    refuses("[b-a]", "ends before", 1);
    refuses("*a", "nothing to repeat", 0);
    refuses("a|+", "nothing to repeat", 2);
    refuses("^*", "anchor", 0);
    refuses("a{", "before a bound", 1);
    refuses("a{2", "before a bound", 1);
    refuses("a{3,2}", "ends before", 1);
    refuses("a{256}", "at most 255", 1);
    refuses("a\\", "backslash", 1);
    refuses("(a)\\1", "back references", 3);
    refuses("\\w+", "not one of POSIX", 0);
    memset(deep, '(', sizeof(deep));
    deep[sizeof(deep) - 1] = '\0';
    refuses(deep, "too deep", REGEX_MAX_DEPTH);
    snprintf(many, sizeof(many), "((((a{255}){255}){255}){255}){255}");
    refuses(many, "too large", 0);
    refuses("(a|b)*a(a|b){200}", "states", 0);
}

int main(void)
{
    takes("", "", true);
    takes("", "x", true);
    takes("a|", "", true);
    takes("()b", "ab", true);
    takes("^$", "", true);
    takes("$^", "", true);
    takes("^$", "a", false);
    takes("a{,2}b", "aab", true);
    takes("(^a|b)c", "xac", false);
    takes("(^a|b)c", "xbc", true);
    takes("a$b", "a$b", false);
    takes("x\\$", "ax$", true);
    takes("GET /[a-z]+(/[0-9]+)?( |$)", "GET /user/12 HTTP/1.1", true);
    takes("^.{3,5}$", "abcdef", false);
    takes("[^\x01-\x7f]", "caf\xe9", true);
    test_refusals();
    test_random();
    return tap_done();
}
