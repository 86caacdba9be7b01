/*
 * cg_fixture: see cg_fixture.h.
 */
#include "tests/unit/cg_fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/arena.h"
#include "base/diag.h"
#include "cg/cg.h"

enum { NORMAL_END = 1, ERROR_END = 2 };

static int silent(enum libbpf_print_level level, const char *fmt, va_list ap)
{
    return level == LIBBPF_DEBUG || !getenv("CG_TEST_VERBOSE") ? 0 : vfprintf(stderr, fmt, ap);
}

const char *cgt_cannot(void)
{
    if (geteuid() != 0)
        return "needs root";
    if (!libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL))
        return "no BPF here";
    return NULL;
}

void cgt_open(struct cgt *t, const char *disabled)
{
    const char *names[8];
    uint32_t n = 0;
    char *list = NULL, *save = NULL;

    *t = (struct cgt){.prog = -1};
    t->stream = open_memstream(&t->messages, &t->messages_size);
    t->cx.arch = arch_native();
    t->cx.arena = arena_new();
    t->cx.sources = sources_new(t->cx.arena);
    t->cx.diag = diag_new(t->cx.arena, t->cx.sources, t->stream);
    t->cx.limits = (struct limits){
        .maxaction = 100000, .maxmapentries = 64, .maxstringlen = 256, .maxnesting = 8};
    if (disabled) {
        list = strdup(disabled);
        for (char *p = strtok_r(list, ",", &save); p && n < 8; p = strtok_r(NULL, ",", &save))
            names[n++] = p;
    }
    t->k = kernel_probe(&t->cx, names, n);
    free(list);
    t->u = ir_unit_new(&t->cx);
    t->at = (struct ir_cursor){.u = t->u, .f = ir_func_new(t->u, "handler"), .onerr = ERROR_END};
    t->at.f->is_probe = true;
    for (int k = 0; k < 3; k++)
        ir_block_new(t->u, t->at.f);
    ir_emit(t->u, t->at.f, NORMAL_END, IR_DONE);
    ir_emit(t->u, t->at.f, ERROR_END, IR_DONE)->imm = 1;
    t->u->probes = ARENA_NEW(t->cx.arena, struct ir_probe);
    t->u->n_probes = 1;
    t->u->probes[0] =
        (struct ir_probe){.name = "timer.profile", .func = t->at.f->id, .rec.kind = PROBE_PROFILE};
}

static bool show(struct cgt *t, const char *what)
{
    fflush(t->stream);
    printf("# %s: %s\n# %s\n", what, strerror(errno), t->messages_size ? t->messages : "");
    return false;
}

/* "processed 123 insns ..." of every program and subprogram in the log. */
static uint32_t count_verified(const char *log)
{
    uint32_t sum = 0;

    for (const char *p = strstr(log, "processed "); p; p = strstr(p + 1, "processed "))
        sum += (uint32_t)strtoul(p + 10, NULL, 10);
    return sum;
}

static void *map_of(struct bpf_object *obj, const char *name, size_t *len)
{
    struct bpf_map *m = bpf_object__find_map_by_name(obj, name);

    if (!m)
        return NULL;
    *len = (bpf_map__value_size(m) + 4095u) & ~4095ul;
    void *p = mmap(NULL, *len, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(m), 0);

    return p == MAP_FAILED ? NULL : p;
}

static void *global_at(struct cgt *t, uint32_t global)
{
    return t->globals + t->u->globals[global].off;
}

static void init_globals(struct cgt *t)
{
    for (uint32_t k = 0; k < t->u->n_globals; k++)
        if (t->u->globals[k].type == OBJ_STATS) {
            cgt_stats(t, k)->min = INT64_MAX;
            cgt_stats(t, k)->max = INT64_MIN;
        } else if (t->u->globals[k].type == OBJ_LONG) {
            *cgt_long(t, k) = t->u->globals[k].init;
        } else {
            ((struct ngs_shared *)global_at(t, k))->next = 1;
        }
}

bool cgt_load(struct cgt *t)
{
    enum { LOG_SIZE = 16 << 20 };
    struct cg_object out;
    struct ir_block *last = t->at.f->blocks[t->at.block];
    size_t len;

    if (!last->last || !(ir_op_flags(last->last->op) & IRF_TERM))
        ir_put_jump(&t->at, NORMAL_END);
    if (!ir_verify(t->u))
        return show(t, "ir_verify");
    ir_layout(t->u);
    if (!cg_generate(t->u, t->k, getenv("CG_TEST_DUMP") ? stdout : NULL, &out))
        return show(t, "cg_generate");
    char *log = calloc(1, LOG_SIZE);
    DECLARE_LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "cgtest", .kernel_log_buf = log,
                        .kernel_log_size = LOG_SIZE, .kernel_log_level = 4);

    libbpf_set_print(silent);
    t->obj = bpf_object__open_mem(out.elf, out.elf_size, &opts);
    struct bpf_program *p = t->obj ? bpf_object__find_program_by_name(t->obj, "p0") : NULL;
    struct bpf_map *frames = t->obj ? bpf_object__find_map_by_name(t->obj, NGS_MAP_FRAMES) : NULL;
    bool ok = p && frames;

    if (ok) {
        bpf_program__set_type(p, t->as ? t->as : BPF_PROG_TYPE_RAW_TRACEPOINT);
        bpf_map__set_max_entries(frames, (uint32_t)libbpf_num_possible_cpus() * NGS_FRAMES_PER_CPU);
        ok = bpf_object__load(t->obj) == 0;
    }
    t->verified = count_verified(log);
    if (!ok) {
        size_t n = strlen(log);

        printf("# %s\n", n > 2000 ? log + n - 2000 : log);
        if (getenv("CG_TEST_LOG")) {
            struct bpf_object *again =
                bpf_object__open_mem(out.elf, out.elf_size,
                                     &(struct bpf_object_open_opts){.sz = sizeof(opts),
                                                                    .kernel_log_buf = log,
                                                                    .kernel_log_size = LOG_SIZE,
                                                                    .kernel_log_level = 2});

            bpf_program__set_type(bpf_object__find_program_by_name(again, "p0"),
                                  t->as ? t->as : BPF_PROG_TYPE_RAW_TRACEPOINT);
            bpf_object__load(again);
            FILE *f = fopen(getenv("CG_TEST_LOG"), "w");

            fputs(log, f);
            fclose(f);
            bpf_object__close(again);
        }
        free(log);
        return show(t, "load");
    }
    free(log);
    t->prog = bpf_program__fd(p);
    t->globals = map_of(t->obj, NGS_MAP_GLOBALS, &t->globals_len);
    t->control = map_of(t->obj, NGS_MAP_CONTROL, &len);
    if (!t->globals || !t->control)
        return show(t, "mmap");
    init_globals(t);
    return true;
}

static int take_record(void *ctx, void *data, size_t size)
{
    struct cgt *t = ctx;

    if (size <= sizeof(t->records) - t->records_len) {
        memcpy(t->records + t->records_len, data, size);
        t->records_len += (size + 7) & ~7ul;
    }
    return 0;
}

bool cgt_run(struct cgt *t)
{
    struct bpf_map *ring = bpf_object__find_map_by_name(t->obj, NGS_MAP_RING);
    uint64_t args[8] = {0};
    DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));

    t->records_len = 0;
    if (bpf_prog_test_run_opts(t->prog, &opts))
        return show(t, "test run");
    struct ring_buffer *rb =
        ring ? ring_buffer__new(bpf_map__fd(ring), take_record, t, NULL) : NULL;

    if (rb) {
        ring_buffer__consume(rb);
        ring_buffer__free(rb);
    }
    return true;
}

void cgt_close(struct cgt *t)
{
    if (t->obj)
        bpf_object__close(t->obj);
    fclose(t->stream);
    free(t->messages);
    arena_free(t->cx.arena);
}

uint32_t cgt_global(struct cgt *t, const char *name, uint8_t type)
{
    struct ir_unit *u = t->u;

    u->globals = arena_grow(t->cx.arena, u->globals, u->n_globals, sizeof(*u->globals));
    u->globals[u->n_globals] =
        (struct ir_global){.name = arena_strdup(t->cx.arena, name), .type = type};
    return u->n_globals++;
}

int64_t *cgt_long(struct cgt *t, uint32_t global)
{
    return global_at(t, global);
}

struct ngs_str *cgt_str(struct cgt *t, uint32_t global)
{
    struct ngs_shared *s = global_at(t, global);

    return ngs_shared_text(s, s->shown, t->cx.limits.maxstringlen);
}

struct ngs_stats *cgt_stats(struct cgt *t, uint32_t global)
{
    return global_at(t, global);
}

int cgt_map_fd(struct cgt *t, uint32_t map)
{
    char *name = arena_printf(t->cx.arena, "m%u_%s", map, t->u->maps[map].name);
    struct bpf_map *m = bpf_object__find_map_by_name(t->obj, name);

    return m ? bpf_map__fd(m) : -1;
}

struct ir_ins *cgt_put(struct cgt *t, enum ir_op op)
{
    return ir_put(&t->at, op);
}

struct ir_val cgt_gload(struct cgt *t, uint32_t global)
{
    struct ir_ins *i = ir_put(&t->at, IR_GLOAD);

    i->global = global;
    i->dst = ir_temp(t->at.f);
    return IR_TEMP(i->dst);
}

void cgt_gstore(struct cgt *t, uint32_t global, struct ir_val v)
{
    struct ir_ins *i = ir_put(&t->at, IR_GSTORE);

    i->global = global;
    i->a = v;
}

struct ir_val cgt_gsget(struct cgt *t, uint32_t global)
{
    struct ir_ins *i = ir_put(&t->at, IR_GSGET);

    i->global = global;
    i->str = IR_SLOT(ir_slot_new(t->u, t->at.f, IR_STRING, NULL));
    return i->str;
}

void cgt_gsset(struct cgt *t, uint32_t global, struct ir_val s)
{
    struct ir_ins *i = ir_put(&t->at, IR_GSSET);

    i->global = global;
    i->s = s;
}

struct ir_val cgt_lit(struct cgt *t, const char *text)
{
    return IR_LIT(ir_lit(t->u, text, (uint32_t)strlen(text)));
}

void cgt_fill(struct ngs_str *s, const char *text, uint32_t len)
{
    s->len = len;
    memcpy(s->bytes, text, len);
    s->bytes[len] = 0;
}
