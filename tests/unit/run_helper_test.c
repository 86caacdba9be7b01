/*
 * run_helper_test: what handlers call: strings, script arrays in our memory and (as root) in the
 * kernel, foreach, aggregates, the functions that only user space has; and that bad arguments end
 * the handler.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "run_fixture.h"
#include "tap.h"

enum { NUMS, NAMES, SUMS, PAIR, WRAP, SMALL }; /* arrays of the fixture */

static struct fx *fixture(void)
{
    struct fx *f = fx_new();

    fx_map(f, "nums", "l", 'l', 200000);
    fx_map(f, "names", "s", 's', 100);
    fx_map(f, "sums", "s", 'a', 100);
    fx_map(f, "pair", "ls", 'l', 100);
    fx_map(f, "wrap", "l", 'l', 3);
    f->maps[WRAP].wrap = 1;
    fx_map(f, "small", "l", 'l', 2);
    fx_stats(f, "agg", NGS_HIST_LINEAR, 0, 100, 10);
    fx_probe(f, PROBE_BEGIN, 0, "begin");
    return f;
}

static uint64_t fault_free(struct run *r, uint64_t v)
{
    if (r->vm.fault)
        printf("# fault: %s\n", r->vm.fault);
    return v;
}

#define HELP(h, a, b, c, d)                                                                        \
    fault_free(r, fx_help(r, NGS_H_##h, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d)))

static struct ngs_frame *head(struct run *r)
{
    return (struct ngs_frame *)r->frame;
}

/* ---- strings ---- */

static void strings(void)
{
    struct fx *f = fixture();
    struct run *r = fx_open(f);
    uint64_t a = fx_str(r, 1, "hello"), b = fx_str(r, 2, " world");
    char longer[200];
    uint64_t h[2];

    HELP(STR_APPEND, a, b, 0, 0);
    tap_text(fx_text(r, 1), "hello world", "str_append");
    HELP(STR_COPY, b, a, 0, 0);
    tap_text(fx_text(r, 2), "hello world", "str_copy");
    tap_ok(HELP(STR_COMPARE, a, b, 0, 0) == 0, "str_compare, equal");
    fx_str(r, 2, "hello");
    tap_ok((int64_t)HELP(STR_COMPARE, a, b, 0, 0) > 0 && (int64_t)HELP(STR_COMPARE, b, a, 0, 0) < 0,
           "str_compare by bytes, then length");
    fx_str(r, 2, "");
    HELP(STR_FORMAT, b, -42, NGS_SPEC('d', NGS_SPEC_ZERO, 6, 0xffff), 0);
    tap_text(fx_text(r, 2), "-00042", "str_format");
    fx_str(r, 1, "ab");
    HELP(STR_FORMAT_STR, b, a, NGS_SPEC('s', 0, 4, 0xffff), 0);
    tap_text(fx_text(r, 2), "-00042  ab", "str_format_str");

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    fx_str(r, 1, longer);
    fx_str(r, 2, "yy");
    HELP(STR_APPEND, a, b, 0, 0);
    tap_ok(strlen(fx_text(r, 1)) == FX_MAXLEN && r->ctl->truncated == 1,
           "a string is cut at MAXSTRINGLEN and counted");

    fx_str(r, 1, "abcdefghij");
    HELP(STR_HASH, fx_slot_addr(0), a, 0, 0);
    str_hash(h, r->hash_key, "abcdefghij", 10);
    tap_ok((uint64_t)fx_slot(r, 0) == h[0] && (uint64_t)fx_slot(r, 1) == h[1], "str_hash");

    fx_str(r, 1, "at ");
    HELP(STR_MARK, a, 'u', 0x1234, 0);
    tap_text(fx_text(r, 1), "at \001u0000000000001234", "str_mark");
    fx_str(r, 2, "at 0x1234");
    tap_ok(HELP(STR_COMPARE, a, b, 0, 0) == 0, "marks are compared as what they show");

    fx_help(r, NGS_H_STR_COPY, a + 1, b, 0, 0);
    tap_ok(r->vm.fault != NULL, "refused: a string at an odd address");
    fx_help(r, NGS_H_STR_COPY, vm_addr(VM_FRAME, FX_FRAME - 64), b, 0, 0);
    tap_ok(r->vm.fault != NULL, "refused: a destination without room");
    ((struct ngs_str *)(r->frame + FX_STR + FX_STR_SIZE))->len = 0xfffffff0;
    fx_help(r, NGS_H_STR_COPY, b, a, 0, 0);
    tap_ok(r->vm.fault != NULL, "refused: a string longer than its memory");
    fx_help(r, NGS_H_PRINT, vm_addr(VM_FRAME, FX_FRAME - 8), 0, 0, 0);
    tap_ok(r->vm.fault != NULL, "refused: a record that is not in memory");
    fx_close(r);
    fx_free(f);
}

/* ---- arrays ---- */

/* The key of an array at FX_KEY and its texts at FX_TEXTS; strings from slot STRING on. */
static uint64_t key_l(struct run *r, int64_t v)
{
    memcpy(r->frame + FX_KEY, &v, 8);
    return vm_addr(VM_FRAME, FX_KEY);
}

static uint64_t texts(void)
{
    return vm_addr(VM_FRAME, FX_TEXTS);
}

static uint64_t key_s(struct run *r, uint32_t off, const char *s)
{
    uint64_t addr = fx_str(r, 10, s);

    str_hash((uint64_t *)(r->frame + FX_KEY + off), r->hash_key, s, (uint32_t)strlen(s));
    memcpy(r->frame + FX_TEXTS + (off ? 8 : 0), &addr, 8);
    return vm_addr(VM_FRAME, FX_KEY);
}

static void set_l(struct run *r, uint32_t map, int64_t key, int64_t v)
{
    memcpy(r->frame + FX_LONGS + 80, &v, 8);
    HELP(MAP_SET, map, key_l(r, key), texts(), fx_slot_addr(10));
}

static int64_t get_l(struct run *r, uint32_t map, int64_t key)
{
    HELP(MAP_GET, map, key_l(r, key), fx_slot_addr(11), 0);
    return fx_slot(r, 11);
}

static void stat_add(struct run *r, const char *key, int64_t v)
{
    HELP(MAP_STAT_ADD, SUMS, key_s(r, 0, key), texts(), v);
}

static int64_t stat(struct run *r, const char *key, uint32_t op)
{
    HELP(MAP_STAT, SUMS, key_s(r, 0, key), op, fx_slot_addr(12));
    return fx_slot(r, 12);
}

/* Walks MAP: each key (and long value) into TEXT, separated by spaces. */
static char *walk(struct run *r, uint32_t map, uint64_t sort, int64_t limit, char *text,
                  size_t size)
{
    const struct obj_map *m = &r->o->maps[map];
    uint64_t it = HELP(FE_BEGIN, map, sort, limit, 0), word;
    size_t len = 0;

    *text = '\0';
    for (uint32_t k = 0; k <= m->n_keys; k++) {
        bool s = k < m->n_keys ? m->key_type[k] == OBJ_STRING : m->val_type == OBJ_STRING;

        word = k == m->n_keys && m->val_type == OBJ_STATS ? 0
               : s ? vm_addr(VM_FRAME, FX_STR + (20 + k) * FX_STR_SIZE)
                   : fx_slot_addr(20 + k);
        memcpy(r->frame + FX_TEXTS + 8 * k, &word, 8);
    }
    while (HELP(FE_NEXT, it, texts(), 0, 0) == 1 && len < size - 64) {
        uint64_t words[OBJ_MAX_KEYS + 1];

        memcpy(words, r->frame + FX_TEXTS, sizeof(words));
        for (uint32_t k = 0; k <= m->n_keys; k++) {
            bool s = k < m->n_keys ? m->key_type[k] == OBJ_STRING : m->val_type == OBJ_STRING;

            if (k == m->n_keys && m->val_type == OBJ_STATS) {
                /* a script would ask by the key it got, so does this */
                char key[FX_STR_SIZE];

                strcpy(key, fx_text(r, 20));
                len += (size_t)snprintf(text + len, size - len, "=%lld",
                                        (long long)stat(r, key, NGS_STAT_SUM));
                memcpy(r->frame + FX_TEXTS, words, sizeof(words));
            } else {
                const char *sep = k == m->n_keys ? "=" : k ? "," : len ? " " : "";

                if (s)
                    len +=
                        (size_t)snprintf(text + len, size - len, "%s%s", sep, fx_text(r, 20 + k));
                else
                    len += (size_t)snprintf(text + len, size - len, "%s%lld", sep,
                                            (long long)fx_slot(r, 20 + k));
            }
        }
    }
    HELP(FE_END, it, 0, 0, 0);
    return text;
}

static void with_arrays(struct run *r, const char *where)
{
    char text[4096];

    set_l(r, NUMS, 3, 30);
    set_l(r, NUMS, 1, 10);
    set_l(r, NUMS, 2, 30);
    tap_ok(get_l(r, NUMS, 1) == 10 && get_l(r, NUMS, 9) == 0, "%s: map_set, map_get", where);
    tap_ok(HELP(MAP_HAS, NUMS, key_l(r, 3), 0, 0) == 1 &&
               HELP(MAP_HAS, NUMS, key_l(r, 4), 0, 0) == 0,
           "%s: map_has", where);
    tap_ok(HELP(MAP_ADD, NUMS, key_l(r, 1), texts(), 5) == 10 && get_l(r, NUMS, 1) == 15,
           "%s: map_add", where);
    tap_ok(HELP(MAP_ADD, NUMS, key_l(r, 7), texts(), -5) == 0, "%s: map_add makes an element",
           where);
    tap_text(walk(r, NUMS, NGS_SORT(1, 1, 0), -1, text, sizeof(text)), "1=15 2=30 3=30 7=-5",
             "sorted by key, up");
    tap_text(walk(r, NUMS, NGS_SORT(2, 1, 0), -1, text, sizeof(text)), "7=-5 3=30 2=30 1=15",
             "sorted by key, down");
    tap_text(walk(r, NUMS, NGS_SORT(2, 0, 0), 3, text, sizeof(text)),
             r->s || r->maps[NUMS].fd >= 0 ? "2=30 3=30 1=15" : "3=30 2=30 1=15",
             "sorted by value, down, the first three");
    tap_text(walk(r, NUMS, 0, 0, text, sizeof(text)), "", "limit 0");
    HELP(MAP_DELETE, NUMS, key_l(r, 3), 0, 0);
    tap_text(walk(r, NUMS, NGS_SORT(1, 0, 0), -1, text, sizeof(text)), "7=-5 1=15 2=30",
             "deleted; sorted by value, up");

    fx_str(r, 11, "uno");
    HELP(MAP_SET, NAMES, key_s(r, 0, "one"), texts(), vm_addr(VM_FRAME, FX_STR + 11 * FX_STR_SIZE));
    fx_str(r, 11, "dos");
    HELP(MAP_SET, NAMES, key_s(r, 0, "two"), texts(), vm_addr(VM_FRAME, FX_STR + 11 * FX_STR_SIZE));
    tap_ok(HELP(MAP_GET, NAMES, key_s(r, 0, "two"), vm_addr(VM_FRAME, FX_STR + 12 * FX_STR_SIZE),
                0) == 1 &&
               !strcmp(fx_text(r, 12), "dos"),
           "%s: strings as values", where);
    HELP(MAP_GET, NAMES, key_s(r, 0, "three"), vm_addr(VM_FRAME, FX_STR + 12 * FX_STR_SIZE), 0);
    tap_text(fx_text(r, 12), "", "no such element: an empty string");
    tap_text(walk(r, NAMES, NGS_SORT(1, 0, 0), -1, text, sizeof(text)), "two=dos one=uno",
             "sorted by a string value");

    stat_add(r, "a", 5);
    stat_add(r, "b", 1);
    stat_add(r, "b", 2);
    stat_add(r, "c", -7);
    tap_ok(stat(r, "b", NGS_STAT_COUNT) == 2 && stat(r, "b", NGS_STAT_AVG) == 1 &&
               stat(r, "b", NGS_STAT_MAX) == 2,
           "%s: aggregates", where);
    stat(r, "zz", NGS_STAT_AVG);
    tap_ok(head(r)->error == NGS_ERR_EMPTY_STATS, "@avg of no element fails");
    tap_ok(stat(r, "zz", NGS_STAT_COUNT) == 0 && head(r)->error == 0, "@count of no element is 0");
    tap_text(walk(r, SUMS, NGS_SORT(2, 0, NGS_STAT_COUNT), 1, text, sizeof(text)), "b=3",
             "sorted by @count");
    tap_text(walk(r, SUMS, NGS_SORT(1, 0, NGS_STAT_SUM), -1, text, sizeof(text)), "c=-7 b=3 a=5",
             "sorted by @sum");

    key_l(r, 5);
    HELP(MAP_ADD, PAIR, key_s(r, 8, "x"), texts(), 1);
    key_l(r, 4);
    HELP(MAP_ADD, PAIR, key_s(r, 8, "y"), texts(), 2);
    key_l(r, 5);
    HELP(MAP_ADD, PAIR, key_s(r, 8, "w"), texts(), 3);
    tap_text(walk(r, PAIR, NGS_SORT(1, 2, 0), -1, text, sizeof(text)), "5,w=3 5,x=1 4,y=2",
             "two keys, by the second");

    set_l(r, SMALL, 1, 1);
    set_l(r, SMALL, 2, 1);
    tap_ok(head(r)->error == 0, "%s: an array takes what it has room for", where);
    set_l(r, SMALL, 3, 1);
    tap_ok(head(r)->error == NGS_ERR_SIZE_FULL && head(r)->error_arg == 2 && r->ctl->map_full == 1,
           "and then overflows");
    set_l(r, SMALL, 2, 5);
    tap_ok(head(r)->error == 0 && get_l(r, SMALL, 2) == 5, "but what is there can be set");
    for (int i = 1; i <= 5; i++)
        set_l(r, WRAP, i, i);
    walk(r, WRAP, NGS_SORT(1, 1, 0), -1, text, sizeof(text));
    tap_ok(head(r)->error == 0 && strstr(text, "5=5"), "%s: a wrapping array makes room (%s)",
           where, text);
    HELP(MAP_CLEAR, NUMS, 0, 0, 0);
    tap_text(walk(r, NUMS, 0, -1, text, sizeof(text)), "", "map_clear");
}

/* Two addresses that show as the same text must be one row with one sum. */
static void merging(struct run *r, const char *where)
{
    static const char one[] = "f:0x10 g", two[] = "f:\001u0000000000000010 g";
    char text[1024];

    HELP(MAP_CLEAR, SUMS, 0, 0, 0);
    stat_add(r, two, 1);
    stat_add(r, one, 2);
    stat_add(r, "h", 9);
    walk(r, SUMS, NGS_SORT(1, 0, NGS_STAT_SUM), -1, text, sizeof(text));
    tap_ok(!strcmp(text, "f:0x10 g=3 h=9") || !strcmp(text, "f:\001u0000000000000010 g=3 h=9"),
           "%s: keys that show the same are one", where);
    tap_ok(stat(r, one, NGS_STAT_SUM) == 2, "outside foreach they are two");
    HELP(FE_END, HELP(FE_BEGIN, SUMS, 0, -1, 0), 0, 0, 0);

    uint64_t it = HELP(FE_BEGIN, SUMS, NGS_SORT(1, 0, NGS_STAT_SUM), -1, 0);

    HELP(MAP_DELETE, SUMS, key_s(r, 0, one), 0, 0);
    HELP(MAP_DELETE, SUMS, key_s(r, 0, two), 0, 0);
    HELP(FE_END, it, 0, 0, 0);
    tap_text(walk(r, SUMS, 0, -1, text, sizeof(text)), "h=9", "deleting the one deletes both");
}

static void arrays(void)
{
    struct fx *f = fixture();
    struct run *r = fx_open(f);
    char text[256];

    with_arrays(r, "ours");
    tap_text(walk(r, WRAP, 0, -1, text, sizeof(text)), "3=3 4=4 5=5", "the oldest made room");
    merging(r, "ours");

    for (int i = 0; i < 100000; i++)
        set_l(r, NUMS, i, i * 7919 % 100003);
    uint64_t it = HELP(FE_BEGIN, NUMS, NGS_SORT(2, 0, 0), -1, 0), word = fx_slot_addr(21), none = 0;
    int64_t last = INT64_MAX;
    int n = 0;

    memcpy(r->frame + FX_TEXTS, &none, 8);
    memcpy(r->frame + FX_TEXTS + 8, &word, 8);
    while (HELP(FE_NEXT, it, texts(), 0, 0) == 1 && fx_slot(r, 21) <= last) {
        last = fx_slot(r, 21);
        n++;
    }
    tap_ok(n == 100000, "100,000 elements, sorted");
    HELP(FE_END, it, 0, 0, 0);

    for (int i = 0; i < 64; i++)
        HELP(FE_BEGIN, WRAP, 0, -1, 0);
    tap_ok(fx_help(r, NGS_H_FE_BEGIN, WRAP, 0, (uint64_t)-1, 0) == UINT64_MAX &&
               head(r)->error == NGS_ERR_LOOPS && head(r)->error_arg == 64,
           "an error of the script: a 65th foreach at a time");
    fx_help(r, NGS_H_FE_NEXT, 99, texts(), 0, 0);
    tap_ok(r->vm.fault != NULL, "refused: a foreach that is none");
    fx_help(r, NGS_H_MAP_GET, 99, key_l(r, 1), fx_slot_addr(0), 0);
    tap_ok(r->vm.fault != NULL, "refused: an array that is none");
    fx_help(r, NGS_H_MAP_ADD, NAMES, key_l(r, 1), texts(), 1);
    tap_ok(r->vm.fault != NULL, "refused: an array of another type");
    fx_help(r, NGS_H_STAT_ADD, 7, 1, 0, 0);
    tap_ok(r->vm.fault != NULL, "refused: an aggregate that is none");
    fx_close(r);
    fx_free(f);
}

static void kernel_arrays(void)
{
    struct fx *f = fixture();
    struct run *r = fx_open(f);
    int fds[SMALL + 1];

    for (uint32_t i = 0; i <= SMALL; i++) {
        const struct obj_map *m = &f->maps[i];

        fds[i] = bpf_map_create(BPF_MAP_TYPE_HASH, "ngs_test", m->key_size, m->value_size,
                                i == NUMS ? 1000 : m->max_entries, NULL);
        if (fds[i] < 0) {
            tap_skip("arrays in the kernel", strerror(errno));
            goto out;
        }
        r->maps[i].fd = fds[i];
    }
    with_arrays(r, "kernel");
    merging(r, "kernel");
    for (uint32_t i = 0; i <= SMALL; i++)
        close(fds[i]);
out:
    fx_close(r);
    fx_free(f);
}

/* ---- global aggregates, histograms ---- */

static void aggregates(void)
{
    struct fx *f = fixture();
    struct run *r = fx_open(f);

    tap_ok((int64_t)HELP(STAT, 0, NGS_STAT_AVG, fx_slot_addr(0), 0) == -1 &&
               head(r)->error == NGS_ERR_EMPTY_STATS,
           "@avg of an empty global fails");
    tap_ok((int64_t)HELP(HIST, 0, 0, 0, 0) == -1 && head(r)->error == NGS_ERR_EMPTY_STATS,
           "so does its histogram");
    HELP(STAT_ADD, 0, 15, 0, 0);
    HELP(STAT_ADD, 0, 25, 0, 0);
    HELP(STAT, 0, NGS_STAT_SUM, fx_slot_addr(0), 0);
    tap_ok(fx_slot(r, 0) == 40, "stat_add, stat");
    HELP(HIST, 0, 0, 0, 0);
    output_flush(r);
    fflush(f->opts.out);
    tap_ok(f->out && !strncmp(f->out, "value |-----", 12) && strstr(f->out, "   10 |@ "),
           "hist prints");
    HELP(HIST, 0, fx_str(r, 1, "old"), 0, 0);
    tap_ok(!strncmp(fx_text(r, 1), "value |-----", 12), "hist sets a string");
    fx_close(r);
    fx_free(f);
}

/* ---- functions of user space ---- */

static int64_t ucall(struct run *r, enum ngs_ucall call, uint32_t n, uint64_t a, uint64_t b,
                     uint64_t c)
{
    uint64_t args[3] = {a, b, c};

    memcpy(r->frame + FX_LONGS, args, sizeof(args));
    return (int64_t)HELP(CALL, call, fx_slot_addr(0), n,
                         vm_addr(VM_FRAME, FX_STR + 9 * FX_STR_SIZE));
}

static void gives(struct run *r, const char *want, enum ngs_ucall call, uint32_t n, uint64_t a,
                  uint64_t b, uint64_t c)
{
    char name[64];

    ucall(r, call, n, a, b, c);
    snprintf(name, sizeof(name), "function %d gives '%s'", (int)call, want);
    tap_text(fx_text(r, 9), want, name);
}

static void functions(void)
{
    struct fx *f = fixture();
    struct run *r = fx_open(f);

    tap_ok(ucall(r, NGS_U_STRTOL, 2, fx_str(r, 1, "0x1f"), 16, 0) == 31, "strtol 16");
    tap_ok(ucall(r, NGS_U_STRTOL, 2, fx_str(r, 1, "-12z"), 10, 0) == -12, "strtol 10");
    tap_ok(ucall(r, NGS_U_STRTOL, 2, fx_str(r, 1, "0x1F"), 0, 0) == 31, "strtol 0");
    tap_ok(ucall(r, NGS_U_STRTOL, 2, fx_str(r, 1, "017"), 0, 0) == 15, "strtol 0, octal");
    tap_ok(ucall(r, NGS_U_STRTOL, 2, fx_str(r, 1, "zz"), 10, 0) == 0, "strtol of no number");

    gives(r, "ell", NGS_U_SUBSTR, 3, fx_str(r, 1, "hello"), 1, 3);
    gives(r, "lo", NGS_U_SUBSTR, 3, fx_str(r, 1, "hello"), 3, 99);
    gives(r, "", NGS_U_SUBSTR, 3, fx_str(r, 1, "hello"), 5, 1);
    gives(r, "", NGS_U_SUBSTR, 3, fx_str(r, 1, "hello"), (uint64_t)-1, 1);
    gives(r, "", NGS_U_SUBSTR, 3, fx_str(r, 1, "hello"), 1, (uint64_t)-1);
    tap_ok(ucall(r, NGS_U_STRPOS, 3, fx_str(r, 1, "hello"), fx_str(r, 3, "l"), 0) == 2 &&
               ucall(r, NGS_U_STRPOS, 3, fx_str(r, 1, "hello"), fx_str(r, 3, "l"), 3) == 3 &&
               ucall(r, NGS_U_STRPOS, 3, fx_str(r, 1, "hello"), fx_str(r, 3, "l"), 4) == -1 &&
               ucall(r, NGS_U_STRPOS, 3, fx_str(r, 1, "hello"), fx_str(r, 3, ""), 5) == 5 &&
               ucall(r, NGS_U_STRPOS, 3, fx_str(r, 1, "hello"), fx_str(r, 3, ""), 6) == -1,
           "strpos");
    tap_ok(ucall(r, NGS_U_PLAIN, 2, fx_str(r, 1, "a~\"b"), 0, 0) == 2 &&
               ucall(r, NGS_U_PLAIN, 2, fx_str(r, 1, "a~\"b"), 9, 0) == 0,
           "plain bytes");
    gives(r, "b--b--c", NGS_U_STR_REPLACE, 3, fx_str(r, 1, "babac"), fx_str(r, 3, "a"),
          fx_str(r, 4, "--"));
    gives(r, "baba", NGS_U_STR_REPLACE, 3, fx_str(r, 1, "baba"), fx_str(r, 3, ""),
          fx_str(r, 4, "--"));
    setenv("NGSTAP_TEST", "value", 1);
    gives(r, "value", NGS_U_ENV_VAR, 1, fx_str(r, 1, "NGSTAP_TEST"), 0, 0);
    gives(r, "", NGS_U_ENV_VAR, 1, fx_str(r, 1, "NGSTAP_NO_SUCH"), 0, 0);
    gives(r, "", NGS_U_PID2EXECNAME, 1, 0, 0, 0);
    ucall(r, NGS_U_PID2EXECNAME, 1, (uint64_t)getpid(), 0, 0);
    tap_ok(strlen(fx_text(r, 9)) > 0, "pid2execname of ourselves");
    tap_ok(ucall(r, NGS_U_STRINGAT, 2, fx_str(r, 1, "abc"), 1, 0) == 'b', "stringat");
    ucall(r, NGS_U_STRINGAT, 2, fx_str(r, 1, "abc"), 3, 0);
    tap_ok(head(r)->error == NGS_ERR_POSITION, "stringat past the end fails");
    gives(r, "ABC1", NGS_U_TOUPPER, 1, fx_str(r, 1, "aBc1"), 0, 0);
    gives(r, "abc1", NGS_U_TOLOWER, 1, fx_str(r, 1, "aBc1"), 0, 0);
    fx_help(r, NGS_H_CALL, NGS_U_COUNT, fx_slot_addr(0), 1, 0);
    tap_ok(r->vm.fault != NULL, "refused: a function that is none");
    fx_help(r, NGS_H_CALL, NGS_U_TOUPPER, fx_slot_addr(0), 1000, 0);
    tap_ok(r->vm.fault != NULL, "refused: too many arguments");
    fx_help(r, NGS_H_READ, 0, 8, 0, fx_slot_addr(0));
    tap_ok(head(r)->error == NGS_ERR_FAULT && r->ctl->faults == 1,
           "reading where there is no target is a fault");
    fx_close(r);
    fx_free(f);
}

/* Each has a row: called with nothing, it refuses that, or does nothing, or fails. */
static void rows(void)
{
    struct fx *f = fixture();
    struct run *r = fx_open(f);
    uint32_t missing = 0;

    for (uint32_t h = 0; h < NGS_HELPER_COUNT; h++) {
        r->vm.fault = NULL;
        fx_help(r, (enum ngs_helper)h, 0, 0, 0, 0);
        missing += r->vm.fault && !strcmp(r->vm.fault, "no such helper");
    }
    tap_ok(!missing, "every helper is there");
    missing = 0;
    for (uint32_t u = 0; u < NGS_U_COUNT; u++) {
        r->vm.fault = NULL;
        ucall(r, (enum ngs_ucall)u, 0, 0, 0, 0);
        missing += r->vm.fault && !strcmp(r->vm.fault, "unknown function");
    }
    tap_ok(!missing, "every function of user space is there");
    fx_close(r);
    fx_free(f);
}

int main(void)
{
    rows();
    strings();
    arrays();
    kernel_arrays();
    aggregates();
    functions();
    return tap_done();
}
