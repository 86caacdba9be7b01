/*
 * object_fixture: see object_fixture.h.
 */
#include "object_fixture.h"

#include <string.h>

#include "arch/arch.h"
#include "base/arena.h"
#include "base/diag.h"
#include "base/source.h"

#define INSN(c, d, s, o, i)                                                                        \
    ((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define MOV(d, s)     INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOVI(d, i)    INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD(d, s)     INSN(BPF_ALU64 | BPF_ADD | BPF_X, d, s, 0, 0)
#define ADDI(d, i)    INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define LDX(d, s, o)  INSN(BPF_LDX | BPF_MEM | BPF_DW, d, s, o, 0)
#define STX(d, o, s)  INSN(BPF_STX | BPF_MEM | BPF_DW, d, s, o, 0)
#define STI(d, o, i)  INSN(BPF_ST | BPF_MEM | BPF_DW, d, 0, o, i)
#define XADD(d, o, s) INSN(BPF_STX | BPF_ATOMIC | BPF_DW, d, s, o, BPF_ADD)
#define JNEI(d, i, o) INSN(BPF_JMP | BPF_JNE | BPF_K, d, 0, o, i)
#define CALL(i)       INSN(BPF_JMP | BPF_CALL, 0, 0, 0, i)
#define EXIT          INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define LD64(d, i)    INSN(BPF_LD | BPF_IMM | BPF_DW, d, 0, 0, i), INSN(0, 0, 0, 0, 0)

static const char script[] = "global loops, hits\n"
                             "probe timer.profile {\n"
                             "    loops = deref(4)\n"
                             "\thits++\n"
                             "}\n"
                             "probe begin { }\n";

enum { FRAME_SIZE = 40000, LITERALS_SIZE = 24, FRAME_LIB = 32768, FRAME_LOOPS = FRAME_LIB - 8 };

struct compile fixture_compile(FILE *err)
{
    struct compile cx = {.arena = arena_new()};

    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, err);
    cx.limits.maxstringlen = 64;
    return cx;
}

void fixture_free(struct compile *cx)
{
    arena_free(cx->arena);
}

struct code {
    struct bpf_insn insns[96];
    struct cg_reloc relocs[16];
    struct cg_line lines[8];
    uint32_t n, n_relocs, n_lines;
};

static void put(struct code *c, const struct bpf_insn *insns, size_t n)
{
    memcpy(c->insns + c->n, insns, n * sizeof(*insns));
    c->n += (uint32_t)n;
}
#define PUT(c, ...)                                                                                \
    put((c), (struct bpf_insn[]){__VA_ARGS__},                                                     \
        sizeof((struct bpf_insn[]){__VA_ARGS__}) / sizeof(struct bpf_insn))

static void reloc(struct code *c, enum cg_reloc_kind kind, const char *name)
{
    c->relocs[c->n_relocs++] = (struct cg_reloc){kind, c->n, name};
}

static void line(struct code *c, struct source *s, unsigned number)
{
    struct span at = {.file = s->id, .off = s->lines[number - 1] + 4, .len = 4};

    c->lines[c->n_lines++] = (struct cg_line){c->n, at};
}

static struct cg_func finish(struct compile *cx, const char *name, enum cg_signature sig,
                             uint32_t n_args, const struct code *c)
{
    struct code *kept = ARENA_NEW(cx->arena, struct code);

    *kept = *c;
    return (struct cg_func){
        .name = name,
        .section = sig == CG_SIG_PROG ? "perf_event" : NULL,
        .sig = sig,
        .n_args = n_args,
        .insns = kept->insns,
        .n_insns = kept->n,
        .relocs = kept->relocs,
        .n_relocs = kept->n_relocs,
        .lines = kept->lines,
        .n_lines = kept->n_lines,
    };
}

static struct cg_func program(struct compile *cx, struct source *src, bool broken)
{
    struct code c = {.n = 0};

    line(&c, src, 2);
    PUT(&c, STI(10, -8, 0));
    reloc(&c, CG_RELOC_MAP_VALUE, NGS_MAP_CONTROL);
    PUT(&c, LD64(1, offsetof(struct ngs_control, hits)), MOVI(2, 1), XADD(1, 0, 2));
    reloc(&c, CG_RELOC_MAP, NGS_MAP_FRAMES);
    PUT(&c, LD64(1, 0), MOV(2, 10), ADDI(2, -8), CALL(BPF_FUNC_map_lookup_elem), JNEI(0, 0, 2),
        MOVI(0, 0), EXIT, MOV(9, 0));
    line(&c, src, 3);
    if (broken)
        PUT(&c, MOVI(3, 4096), LDX(3, 3, 0));
    PUT(&c, MOVI(0, 0), STI(9, 0, 0), MOVI(3, FRAME_LIB), ADD(3, 9), STI(3, 0, 0), STI(3, -8, 0));
    PUT(&c, MOV(1, 9), MOVI(2, 5));
    reloc(&c, CG_RELOC_CALL, "lib_add");
    PUT(&c, CALL(0), MOVI(1, 10));
    reloc(&c, CG_RELOC_CALLBACK, "loop");
    PUT(&c, LD64(2, 0), STX(10, -16, 9), MOV(3, 10), ADDI(3, -16), MOVI(4, 0), CALL(BPF_FUNC_loop));
    line(&c, src, 4);
    PUT(&c, MOVI(1, FRAME_LIB), ADD(1, 9), LDX(7, 1, 0), LDX(8, 1, -8));
    reloc(&c, CG_RELOC_MAP_VALUE, NGS_MAP_GLOBALS);
    PUT(&c, LD64(6, 0), STX(6, offsetof(struct fixture_globals, loops), 8),
        STX(6, offsetof(struct fixture_globals, lib), 7));
    reloc(&c, CG_RELOC_MAP_VALUE, NGS_MAP_RODATA);
    PUT(&c, LD64(1, 8), LDX(2, 1, 0), STX(6, offsetof(struct fixture_globals, literal), 2));
    PUT(&c, CALL(BPF_FUNC_get_current_pid_tgid), INSN(BPF_ALU64 | BPF_RSH | BPF_K, 0, 0, 0, 32),
        STX(6, offsetof(struct fixture_globals, pid), 0));
    reloc(&c, CG_RELOC_MAP, "hits");
    PUT(&c, LD64(1, 0), MOV(2, 10), ADDI(2, -8), MOV(3, 6), MOVI(4, 0),
        CALL(BPF_FUNC_map_update_elem));
    PUT(&c, MOVI(0, 0), EXIT);
    return finish(cx, "p0", CG_SIG_PROG, 1, &c);
}

static struct cg_func lib_add(struct compile *cx)
{
    struct code c = {.n = 0};

    PUT(&c, JNEI(1, 0, 2), MOVI(0, 0), EXIT, MOVI(3, FRAME_LIB), ADD(1, 3), LDX(0, 1, 0), ADD(0, 2),
        STX(1, 0, 0), EXIT);
    return finish(cx, "lib_add", CG_SIG_GLOBAL, 2, &c);
}

static struct cg_func loop(struct compile *cx, struct source *src)
{
    struct code c = {.n = 0};

    line(&c, src, 4);
    PUT(&c, LDX(2, 2, 0), MOVI(3, FRAME_LOOPS), ADD(2, 3), LDX(3, 2, 0), ADDI(3, 1), STX(2, 0, 3),
        MOVI(0, 0), EXIT);
    return finish(cx, "loop", CG_SIG_LOOP, 2, &c);
}

/* Counts its hits. */
static struct cg_func uprobe_program(struct compile *cx)
{
    struct code c = {.n = 0};

    reloc(&c, CG_RELOC_MAP_VALUE, NGS_MAP_GLOBALS);
    PUT(&c, LD64(1, offsetof(struct fixture_globals, uprobe_hits)), MOVI(2, 1), XADD(1, 0, 2),
        MOVI(0, 0), EXIT);
    struct cg_func f = finish(cx, "p2", CG_SIG_PROG, 1, &c);

    f.section = "uprobe";
    return f;
}

static struct cg_func never_called(struct compile *cx)
{
    struct code c = {.n = 0};

    PUT(&c, MOVI(0, 0), EXIT);
    return finish(cx, "spare", CG_SIG_GLOBAL, 3, &c);
}

/* ---- metadata ---- */

struct meta {
    char bytes[4096];
    size_t size;
    char strings[512];
    uint32_t strings_len;
};

static uint32_t str(struct meta *m, const char *s)
{
    uint32_t off = m->strings_len;

    strcpy(m->strings + off, s);
    m->strings_len += (uint32_t)strlen(s) + 1;
    return off;
}

static void table(struct meta *m, enum obj_table t, const void *data, size_t size, uint32_t n)
{
    struct obj_header *h = (struct obj_header *)m->bytes;

    m->size = (m->size + 7) & ~(size_t)7;
    h->table[t].off = (uint32_t)m->size;
    h->table[t].n = n;
    memcpy(m->bytes + m->size, data, size);
    m->size += size;
}

static const struct meta *metadata(struct compile *cx, uint64_t uprobe)
{
    struct meta *m = ARENA_NEW(cx->arena, struct meta);
    struct obj_header h = {
        .magic = {'N', 'G', 'S', 'T', 'A', 'P', '\r', '\n'},
        .version = NGS_OBJ_VERSION,
        .machine = arch_native()->machine,
        .header_size = sizeof(h),
        .maxstringlen = 64,
        .maxmapentries = 16,
        .frame_size = FRAME_SIZE,
        .frame_out = 1024,
        .globals_size = sizeof(struct fixture_globals),
        .rodata_size = LITERALS_SIZE,
    };

    str(m, "");
    struct obj_loc locs[] = {{0}, {.file = str(m, "t.stp"), .line = 2, .col = 1}};
    struct obj_probe probes[] = {
        {.kind = PROBE_PROFILE,
         .name = str(m, "timer.profile"),
         .period = FIXTURE_PERIOD_NS,
         .loc = 1},
        {.kind = PROBE_BEGIN, .name = str(m, "begin"), .code_off = 0, .code_len = 2},
        {.kind = PROBE_UPROBE, .name = str(m, "process.function"), .n_places = 1},
    };
    struct obj_place places[] = {
        {.vaddr = uprobe, .name = str(m, "process.function"), .func = str(m, "f")}};
    struct obj_module modules[] = {
        {.path = str(m, "/proc/self/exe"), .flags = OBJ_MODULE_ADDRESSED}};
    struct obj_map maps[] = {{.name = str(m, "hits"),
                              .map_name = str(m, "hits"),
                              .n_keys = 1,
                              .key_type = {OBJ_LONG},
                              .key_size = 8,
                              .value_size = 8,
                              .val_type = OBJ_LONG,
                              .max_entries = 16}};
    struct obj_global globals[] = {{.name = str(m, "init"),
                                    .type = OBJ_LONG,
                                    .init = 42,
                                    .off = offsetof(struct fixture_globals, initial)}};
    struct obj_format formats[] = {
        {.text = str(m, "%d\n"), .flags = FORMAT_PRINTF, .n_args = 1, .arg_types = OBJ_LONG}};

    memcpy(m->bytes, &h, sizeof(h));
    m->size = sizeof(h);
    table(m, OBJ_STRINGS, m->strings, m->strings_len, m->strings_len);
    table(m, OBJ_PROBES, probes, uprobe ? sizeof(probes) : 2 * sizeof(*probes), uprobe ? 3 : 2);
    table(m, OBJ_PLACES, places, uprobe ? sizeof(places) : 0, uprobe ? 1 : 0);
    table(m, OBJ_MODULES, modules, sizeof(modules), 1);
    table(m, OBJ_MAPS, maps, sizeof(maps), 1);
    table(m, OBJ_GLOBALS, globals, sizeof(globals), 1);
    table(m, OBJ_FORMATS, formats, sizeof(formats), 1);
    table(m, OBJ_LOCS, locs, sizeof(locs), 2);
    return m;
}

static struct cg_unit *make_unit(struct compile *cx, bool broken, uint64_t uprobe)
{
    static const struct bpf_insn user[] = {MOVI(0, 0), EXIT};
    struct cg_unit *u = ARENA_NEW(cx->arena, struct cg_unit);
    struct source *src = source_add(cx->sources, "t.stp", script, sizeof(script) - 1);
    const struct meta *m = metadata(cx, uprobe);
    int64_t *literals = ARENA_ARRAY(cx->arena, int64_t, LITERALS_SIZE / 8);

    literals[1] = FIXTURE_LITERAL;
    *u = (struct cg_unit){.cx = cx,
                          .n_funcs = uprobe ? 5 : 4,
                          .n_maps = 7,
                          .rodata = literals,
                          .rodata_size = LITERALS_SIZE,
                          .user_code = user,
                          .user_len = 2,
                          .meta = m->bytes,
                          .meta_size = m->size,
                          .frame_size = FRAME_SIZE};
    u->funcs = ARENA_ARRAY(cx->arena, struct cg_func, 5);
    u->funcs[4] = uprobe_program(cx);
    u->funcs[0] = lib_add(cx);
    u->funcs[1] = program(cx, src, broken);
    u->funcs[2] = never_called(cx);
    u->funcs[3] = loop(cx, src);
    u->maps = ARENA_ARRAY(cx->arena, struct cg_map, u->n_maps);
    u->maps[0] =
        (struct cg_map){NGS_MAP_FRAMES, BPF_MAP_TYPE_ARRAY, 4, FRAME_SIZE, NGS_FRAMES_PER_CPU, 0};
    u->maps[1] = (struct cg_map){NGS_MAP_RING, BPF_MAP_TYPE_RINGBUF, 0, 0, 65536, 0};
    u->maps[2] =
        (struct cg_map){.name = NGS_MAP_GLOBALS, .value_size = sizeof(struct fixture_globals)};
    u->maps[3] = (struct cg_map){.name = NGS_MAP_CONTROL, .value_size = sizeof(struct ngs_control)};
    u->maps[4] = (struct cg_map){.name = NGS_MAP_RODATA, .value_size = LITERALS_SIZE};
    u->maps[5] = (struct cg_map){"hits", BPF_MAP_TYPE_HASH, 8, 8, 16, 0};
    u->maps[6] =
        (struct cg_map){NGS_MAP_SCOPE, BPF_MAP_TYPE_HASH, 4, sizeof(struct ngs_member), 16, 0};
    return u;
}

struct cg_unit *fixture_unit(struct compile *cx, bool broken)
{
    return make_unit(cx, broken, 0);
}

struct cg_unit *fixture_uprobe_unit(struct compile *cx, uint64_t vaddr)
{
    return make_unit(cx, false, vaddr);
}
