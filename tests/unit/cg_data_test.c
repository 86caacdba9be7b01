/*
 * cg_data_test: what generated code does with arrays, aggregates, the facts of the moment and
 * records, run in the kernel and compared with what the run time makes of them. Needs root.
 */
#include <bpf/bpf.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "run/value.h"
#include "tests/unit/cg_fixture.h"
#include "tests/unit/tap.h"

/* What the literals hold where the loader would put its key. */
static const uint64_t zero_key[64];

static const int64_t edges[] = {0,
                                1,
                                -1,
                                2,
                                -2,
                                7,
                                -7,
                                63,
                                64,
                                65,
                                100,
                                255,
                                -100,
                                65535,
                                0x7fffffff,
                                -0x80000000ll,
                                0xffffffffll,
                                0x100000000ll,
                                0x123456789abcdefll,
                                -0x123456789abcdefll,
                                INT64_MAX,
                                INT64_MIN,
                                INT64_MIN + 1};
enum { N_EDGES = sizeof(edges) / sizeof(*edges) };

/* ---- arrays ---- */

static uint32_t new_map(struct cgt *t, const char *name, struct ir_map m)
{
    struct ir_unit *u = t->u;

    u->maps = arena_grow(t->cx.arena, u->maps, u->n_maps, sizeof(*u->maps));
    m.name = name;
    m.max_entries = 64;
    u->maps[u->n_maps] = m;
    return u->n_maps++;
}

static struct ir_ins *map_op(struct cgt *t, enum ir_op op, uint32_t map, struct ir_val *keys,
                             uint32_t n)
{
    struct ir_ins *i = cgt_put(t, op);

    i->map = (int32_t)map;
    i->args = keys;
    i->n_args = n;
    if ((ir_op_flags(op) & IRF_DST))
        i->dst = ir_temp(t->at.f);
    return i;
}

static void test_arrays(void)
{
    struct cgt t;

    cgt_open(&t, NULL);
    uint32_t k = cgt_global(&t, "k", OBJ_LONG), s = cgt_global(&t, "s", OBJ_STRING),
             v = cgt_global(&t, "v", OBJ_LONG);
    uint32_t got = cgt_global(&t, "got", OBJ_LONG), old = cgt_global(&t, "old", OBJ_LONG),
             has = cgt_global(&t, "has", OBJ_LONG);
    uint32_t none = cgt_global(&t, "none", OBJ_LONG), text = cgt_global(&t, "text", OBJ_STRING);
    uint32_t plain = new_map(
        &t, "plain", (struct ir_map){.n_keys = 1, .key_types = {OBJ_LONG}, .val_type = OBJ_LONG});
    uint32_t both = new_map(
        &t, "both",
        (struct ir_map){.n_keys = 2, .key_types = {OBJ_STRING, OBJ_LONG}, .val_type = OBJ_LONG});
    uint32_t texts =
        new_map(&t, "texts",
                (struct ir_map){.n_keys = 1, .key_types = {OBJ_STRING}, .val_type = OBJ_STRING});
    struct ir_val key1[1], key2[2], key3[1], key4[1] = {IR_IMM(-12345)};

    key1[0] = cgt_gload(&t, k);
    key2[0] = cgt_gsget(&t, s);
    key2[1] = cgt_gload(&t, k);
    key3[0] = key2[0];
    struct ir_val value = cgt_gload(&t, v);
    struct ir_ins *i = map_op(&t, IR_MSET, plain, key1, 1);

    i->a = value;
    i = map_op(&t, IR_MGET, plain, key1, 1);
    cgt_gstore(&t, got, IR_TEMP(i->dst));
    i = map_op(&t, IR_MADD, both, key2, 2);
    i->a = value;
    cgt_gstore(&t, old, IR_TEMP(i->dst));
    i = map_op(&t, IR_MHAS, both, key2, 2);
    cgt_gstore(&t, has, IR_TEMP(i->dst));
    i = map_op(&t, IR_MHAS, plain, key4, 1);
    cgt_gstore(&t, none, IR_TEMP(i->dst));
    i = map_op(&t, IR_MSETS, texts, key3, 1);
    i->s = key2[0];
    i = map_op(&t, IR_MGETS, texts, key3, 1);
    i->str = IR_SLOT(ir_slot_new(t.u, t.at.f, IR_STRING, NULL));
    cgt_gsset(&t, text, i->str);
    if (!cgt_load(&t)) {
        tap_ok(false, "arrays");
        cgt_close(&t);
        return;
    }
    unsigned wrong = 0;
    char name[200];

    for (int n = 0; n < 40; n++) {
        memset(name, 'a' + n % 7, sizeof(name));
        cgt_fill(cgt_str(&t, s), name, (uint32_t)(n * 5) % 200);
        *cgt_long(&t, k) = n / 2 * 2;
        *cgt_long(&t, v) = 100 + n;
        cgt_run(&t);
        wrong += *cgt_long(&t, got) != 100 + n || *cgt_long(&t, has) != 1 ||
                 *cgt_long(&t, none) != 0 || *cgt_long(&t, old) != 0;
        wrong += cgt_str(&t, text)->len != cgt_str(&t, s)->len ||
                 strcmp(cgt_str(&t, text)->bytes, cgt_str(&t, s)->bytes);
        cgt_run(&t);
        wrong += *cgt_long(&t, old) != 100 + n;
    }
    tap_ok(!wrong, "arrays set, get, add, has, strings (%u instructions verified)", t.verified);

    /* The key is what the run time computes; the text lies beside the value. */
    uint64_t key[3];
    uint8_t *val = calloc(1, t.u->maps[both].rec.value_size);

    str_hash(key, zero_key, cgt_str(&t, s)->bytes, cgt_str(&t, s)->len);
    key[2] = (uint64_t)*cgt_long(&t, k);
    bool found = bpf_map_lookup_elem(cgt_map_fd(&t, both), key, val) == 0;
    struct ngs_str *stored = (struct ngs_str *)(val + t.u->maps[both].rec.text_off[0]);

    tap_ok(found && *(int64_t *)val == 2 * (100 + 39), "keys are found by the run time's hash");
    tap_ok(found && stored->len == cgt_str(&t, s)->len &&
               !memcmp(stored->bytes, cgt_str(&t, s)->bytes, stored->len),
           "texts of keys are stored");
    free(val);

    for (int n = 100; n < 200; n++) { /* more than 64 */
        *cgt_long(&t, k) = n;
        cgt_run(&t);
    }
    tap_ok(t.control->map_full > 0 && t.control->errors > 0 && t.control->gate & NGS_STOPPED,
           "a full array is an error");
    cgt_close(&t);
}

/* ---- aggregates ---- */

static void test_stats(uint32_t hist, const char *name)
{
    struct cgt t;
    uint32_t out[2][NGS_STAT_VARIANCE + 1];
    struct ir_map m = {.n_keys = 1,
                       .key_types = {OBJ_STRING},
                       .val_type = OBJ_STATS,
                       .hist = hist,
                       .hist_args = {-100, 1000, 50}};
    struct ngs_stats *want = calloc(1, 8192);
    unsigned wrong = 0;
    static struct ir_val key[1];

    cgt_open(&t, NULL);
    uint32_t v = cgt_global(&t, "v", OBJ_LONG), g = cgt_global(&t, "g", OBJ_STATS);

    t.u->globals[g].hist = hist;
    memcpy(t.u->globals[g].hist_args, m.hist_args, sizeof(m.hist_args));
    uint32_t map = new_map(&t, "stats", m);
    struct ir_val value = cgt_gload(&t, v);

    key[0] = cgt_lit(&t, "key");
    map_op(&t, IR_MSTAT, map, key, 1)->a = value;
    struct ir_ins *i = cgt_put(&t, IR_GSTAT);

    i->global = g;
    i->a = value;
    for (int op = 0; op <= NGS_STAT_VARIANCE; op++) {
        out[0][op] = cgt_global(&t, "m", OBJ_LONG);
        out[1][op] = cgt_global(&t, "g", OBJ_LONG);
        i = map_op(&t, IR_MSTATGET, map, key, 1);
        i->imm = op;
        cgt_gstore(&t, out[0][op], IR_TEMP(i->dst));
        i = cgt_put(&t, IR_GSTATGET);
        i->global = g;
        i->imm = op;
        i->dst = ir_temp(t.at.f);
        cgt_gstore(&t, out[1][op], IR_TEMP(i->dst));
    }
    bool loaded = cgt_load(&t);
    size_t size = stats_size(hist, m.hist_args);

    stats_init(want, size);
    for (int n = 0; loaded && n < 120; n++) {
        int64_t x = n < N_EDGES ? edges[n] : (n * 7919) % 2000 - 500;

        *cgt_long(&t, v) = x;
        cgt_run(&t);
        stats_add(want, hist, m.hist_args, x);
        for (int op = 0; op <= NGS_STAT_VARIANCE; op++)
            for (int where = 0; where < 2; where++) {
                int64_t w, got = *cgt_long(&t, out[where][op]);

                stats_get(want, (uint32_t)op, &w);
                if (op == NGS_STAT_VARIANCE && n < N_EDGES)
                    continue; /* sums wrap there */
                if (got != w && wrong++ < 5)
                    printf("# step %d op %d where %d: got %" PRId64 " want %" PRId64 "\n", n, op,
                           where, got, w);
            }
        if (n == N_EDGES - 1) { /* from here on sums do not wrap: start again */
            memset(want, 0, size);
            stats_init(want, size);
            memcpy(cgt_stats(&t, g), want, size);
            bpf_map_delete_elem(cgt_map_fd(&t, map), (uint64_t[2]){0});
            uint64_t k[2];

            str_hash(k, zero_key, "key", 3);
            bpf_map_delete_elem(cgt_map_fd(&t, map), k);
        }
    }
    if (loaded) {
        uint8_t *val = calloc(1, t.u->maps[map].rec.value_size);
        uint64_t k[2];

        str_hash(k, zero_key, "key", 3);
        bpf_map_lookup_elem(cgt_map_fd(&t, map), k, val);
        wrong += memcmp(val, want, size) != 0;
        wrong += memcmp(cgt_stats(&t, g), want, size) != 0;
        free(val);
    }
    tap_ok(loaded && !wrong, "%s (%u instructions verified)", name, t.verified);
    free(want);
    cgt_close(&t);
}

/* ---- context ---- */

/* Every fact that a handler of the kernel can be asked for; registers come in tests of whole
 * sessions. */
static void test_context(enum probe_kind kind, uint32_t as, const char *disabled, const char *name)
{
    static const uint8_t longs[] = {NGS_CTX_PID,     NGS_CTX_TID,     NGS_CTX_UID,
                                    NGS_CTX_GID,     NGS_CTX_CPU,     NGS_CTX_TARGET,
                                    NGS_CTX_TIME_NS, NGS_CTX_MONO_NS, NGS_CTX_USER_MODE,
                                    NGS_CTX_UADDR,   NGS_CTX_TASK};
    static const uint8_t of_code[] = {NGS_CTX_ADDR, NGS_CTX_RETVAL}; /* that was interrupted */
    static const uint8_t of_event[] = {NGS_CTX_ARG};
    bool event = attach_kind(kind)->context == CONTEXT_EVENT;
    static const uint8_t texts[] = {NGS_CTX_EXECNAME, NGS_CTX_PP, NGS_CTX_KFUNC};
    struct cgt t;

    cgt_open(&t, disabled);
    t.as = as;
    t.k->has[FEAT_KPROBE] = true; /* nothing is attached */
    t.u->probes[0].rec.kind = kind;
    uint32_t out = cgt_global(&t, "out", OBJ_LONG), text = cgt_global(&t, "text", OBJ_STRING);

    for (unsigned k = 0; k < sizeof(longs) + 17; k++) {
        struct ir_ins *i = cgt_put(&t, IR_CONTEXT);

        i->imm = k < sizeof(longs) ? longs[k] : NGS_CTX_REG;
        if (i->imm == NGS_CTX_REG)
            i->a = IR_IMM(k - (unsigned)sizeof(longs));
        i->dst = ir_temp(t.at.f);
        cgt_gstore(&t, out, IR_TEMP(i->dst));
    }
    for (unsigned k = 0; k < (event ? sizeof(of_event) : sizeof(of_code)); k++) {
        struct ir_ins *i = cgt_put(&t, IR_CONTEXT);

        i->imm = event ? of_event[k] : of_code[k];
        i->a = event ? IR_IMM(0) : IR_NONE;
        i->dst = ir_temp(t.at.f);
        cgt_gstore(&t, out, IR_TEMP(i->dst));
    }
    for (unsigned k = 0; k < sizeof(texts); k++) {
        struct ir_ins *i = cgt_put(&t, IR_SCONTEXT);

        i->imm = texts[k];
        i->str = IR_SLOT(ir_slot_new(t.u, t.at.f, IR_STRING, NULL));
        cgt_gsset(&t, text, i->str);
    }
    bool loaded = cgt_load(&t);

    tap_ok(loaded, "%s (%u instructions verified)", name, t.verified);
    cgt_close(&t);
}

/* The facts that are the same here. */
static void test_facts(void)
{
    static const uint8_t facts[] = {NGS_CTX_PID, NGS_CTX_TID, NGS_CTX_UID, NGS_CTX_MONO_NS,
                                    NGS_CTX_TIME_NS};
    struct cgt t;
    uint32_t out[sizeof(facts)];
    struct timespec mono;

    cgt_open(&t, NULL);
    uint32_t name = cgt_global(&t, "name", OBJ_STRING);

    for (unsigned k = 0; k < sizeof(facts); k++) {
        struct ir_ins *i = cgt_put(&t, IR_CONTEXT);

        out[k] = cgt_global(&t, "out", OBJ_LONG);
        i->imm = facts[k];
        i->dst = ir_temp(t.at.f);
        cgt_gstore(&t, out[k], IR_TEMP(i->dst));
    }
    struct ir_ins *i = cgt_put(&t, IR_SCONTEXT);

    i->imm = NGS_CTX_EXECNAME;
    i->str = IR_SLOT(ir_slot_new(t.u, t.at.f, IR_STRING, NULL));
    cgt_gsset(&t, name, i->str);
    if (cgt_load(&t)) {
        char want[17] = "";
        FILE *f = fopen("/proc/self/comm", "r");

        t.control->clock_offset = 1000000000;
        cgt_run(&t);
        clock_gettime(CLOCK_MONOTONIC, &mono);
        int64_t age = mono.tv_sec * 1000000000ll + mono.tv_nsec - *cgt_long(&t, out[3]);

        if (f && fgets(want, sizeof(want), f))
            want[strcspn(want, "\n")] = 0;
        if (f)
            fclose(f);
        tap_ok(*cgt_long(&t, out[0]) == getpid() && *cgt_long(&t, out[1]) == gettid() &&
                   *cgt_long(&t, out[2]) == getuid(),
               "pid, tid, uid");
        tap_ok(age >= 0 && age < 10000000000ll &&
                   *cgt_long(&t, out[4]) - *cgt_long(&t, out[3]) >= 1000000000 &&
                   *cgt_long(&t, out[4]) - *cgt_long(&t, out[3]) < 2000000000,
               "clocks");
        tap_text(cgt_str(&t, name)->bytes, want, "execname");
    } else {
        tap_ok(false, "facts");
    }
    cgt_close(&t);
}

/* ---- records, errors ---- */

static void test_records(void)
{
    struct cgt t;
    static struct ir_val args[4];

    cgt_open(&t, NULL);
    uint32_t s = cgt_global(&t, "s", OBJ_STRING);

    args[0] = IR_IMM(-5);
    args[1] = cgt_gsget(&t, s);
    args[2] = IR_IMM(1ll << 40);
    args[3] = cgt_lit(&t, "lit");
    struct ir_ins *i = cgt_put(&t, IR_PRINT);

    i->args = args;
    i->n_args = 4;
    i->fmt = 3;
    cgt_put(&t, IR_WARN)->s = cgt_lit(&t, "careful");
    i = cgt_put(&t, IR_RAISE);
    i->onerr = 2;
    i->imm = NGS_ERR_SCRIPT;
    i->s = cgt_lit(&t, "my error");
    i->loc = 0;
    bool loaded = cgt_load(&t), ok = false;

    if (loaded) {
        cgt_fill(cgt_str(&t, s), "hello world", 11);
        cgt_run(&t);
        const struct ngs_rec *r = (const struct ngs_rec *)t.records;
        const int64_t *v = (const int64_t *)(r + 1);
        const struct ngs_str *str = (const struct ngs_str *)(v + 1);

        ok = r->kind == NGS_REC_PRINT && r->format == 3 &&
             r->size == sizeof(*r) + 8 + 24 + 8 + 16 && r->tid == (uint32_t)gettid() &&
             v[0] == -5 && str->len == 11 && !memcmp(str->bytes, "hello world", 11) &&
             v[4] == 1ll << 40;
        tap_ok(ok, "a print's record");
        tap_ok(r->flags == (NGS_REC_MORE | NGS_REC_FIRST), "... is kept for what comes");
        r = (const struct ngs_rec *)((const uint8_t *)r + r->size);
        tap_ok(r->kind == NGS_REC_WARN && r->size == sizeof(*r) + 16, "a warning's record");
        tap_ok(r->flags == 0, "... is the last");
        r = (const struct ngs_rec *)((const uint8_t *)r + r->size);
        v = (const int64_t *)(r + 1);
        str = (const struct ngs_str *)(v + 3);
        tap_ok(r->kind == NGS_REC_ERROR && v[0] == NGS_ERR_SCRIPT && str->len == 8 &&
                   !memcmp(str->bytes, "my error", 8),
               "an error's record");
        tap_ok(t.control->errors == 1 && t.control->gate == NGS_ENDED,
               "an error past MAXERRORS stops the session");
        t.control->hits = 0;
        cgt_run(&t);
        tap_ok(t.control->hits == 0 && t.records_len == 0, "then handlers return at once");
    } else {
        tap_ok(false, "records");
    }
    cgt_close(&t);
}

int main(void)
{
    const char *why = cgt_cannot();

    if (why) {
        tap_skip("generated code in the kernel", why);
        return tap_done();
    }
    test_arrays();
    test_stats(NGS_HIST_NONE, "aggregates");
    test_stats(NGS_HIST_LOG, "aggregates with a logarithmic histogram");
    test_stats(NGS_HIST_LINEAR, "aggregates with a linear histogram");
    test_context(PROBE_PROFILE, BPF_PROG_TYPE_PERF_EVENT, NULL, "every fact in a perf_event");
    test_context(PROBE_PROFILE, BPF_PROG_TYPE_PERF_EVENT, "task_pt_regs,snprintf",
                 "without helpers of Linux 5.15");
    test_context(PROBE_UPROBE, BPF_PROG_TYPE_KPROBE, NULL, "every fact in a uprobe");
    test_context(PROBE_KRETPROBE, BPF_PROG_TYPE_KPROBE, NULL,
                 "every fact where a function of the kernel returns");
    test_context(PROBE_TRACEPOINT, BPF_PROG_TYPE_RAW_TRACEPOINT, NULL,
                 "every fact in a tracepoint");
    test_context(PROBE_TRACEPOINT, BPF_PROG_TYPE_RAW_TRACEPOINT, "task_pt_regs",
                 "every fact in a tracepoint, without the task's registers");
    test_facts();
    test_records();
    return tap_done();
}
