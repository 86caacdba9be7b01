/*
 * cg: the driver: IR unit -> programs, library, metadata -> ELF. Enters: a verified and laid-out
 * unit; leaves: the object's bytes.
 */
#include "cg/cg.h"

#include <stddef.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "cg/meta.h"
#include "cg/program.h"
#include "cg/rodata.h"

/* Of a script that prints in the kernel; of one that tells of errors there alone. */
enum { RING_SIZE = 4 << 20, RING_OF_ERRORS = 256 << 10 };

/* ---- maps ---- */

static void name_maps(struct cg *c)
{
    c->map_names = ARENA_ARRAY(c->cx->arena, const char *, c->u->n_maps + 1);
    c->map_used = ARENA_ARRAY(c->cx->arena, bool, c->u->n_maps + 1);
    for (uint32_t k = 0; k < c->u->n_maps; k++) {
        char *name = arena_printf(c->cx->arena, "m%u_%s", k, c->u->maps[k].name);

        for (char *p = name; *p; p++)
            if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                  (*p >= '0' && *p <= '9') || *p == '_'))
                *p = '_';
        c->map_names[k] = name;
    }
}

static void add_map(struct cg_unit *out, struct cg_map m)
{
    out->maps[out->n_maps++] = m;
}

/* Texts among the frames of stacks, what Lua ran. A hit may come with several that are new, and at
 * first the kernel has memory for one at hand (kernel/bpf/memalloc.c, prefill_mem_cache). So all of
 * it is taken at the start: 1 KiB each. */
enum { TEXTS_MAX = 2048 };

/* Stacks until the loop takes them over, at least as many as the few arrays of a script are likely
 * to have. Each has 1 or 2 KiB, which is taken at the start unless they are sparse. */
static uint32_t stacks_max(const struct cg *c)
{
    uint32_t n = c->cx->limits.maxmapentries, most = c->u->stacks_sparse ? 65536 : 16384;

    return n < 4096 ? 8192 : n < most / 2 ? 2 * n : most;
}

static void make_maps(struct cg *c, struct cg_unit *out)
{
    const struct ir_unit *u = c->u;
    /* an action may take three: a loop's edge, a call's, a return's */
    uint64_t ticks = 3 * (uint64_t)c->cx->limits.maxaction + 16;

    out->maps = ARENA_ARRAY(c->cx->arena, struct cg_map, u->n_maps + 12);
    if (c->n_funcs) {
        add_map(out, (struct cg_map){NGS_MAP_FRAMES, BPF_MAP_TYPE_ARRAY, 4, u->frame_size,
                                     c->frames_per_cpu, 0});
        add_map(out, (struct cg_map){NGS_MAP_RING, BPF_MAP_TYPE_RINGBUF, 0, 0,
                                     c->sends ? RING_SIZE : RING_OF_ERRORS, 0});
        add_map(out, (struct cg_map){NGS_MAP_SCOPE, BPF_MAP_TYPE_HASH, 4, sizeof(struct ngs_member),
                                     NGS_MAX_MEMBERS, 0});
    }
    add_map(out, (struct cg_map){.name = NGS_MAP_GLOBALS, .value_size = c->globals_size});
    add_map(out,
            (struct cg_map){.name = NGS_MAP_CONTROL, .value_size = sizeof(struct ngs_control)});
    add_map(out, (struct cg_map){.name = NGS_MAP_RODATA, .value_size = c->rodata_used});
    for (uint32_t k = 0; k < u->n_maps; k++) {
        const struct obj_map *m = &u->maps[k].rec;

        if (!c->map_used[k])
            continue;
        add_map(out, (struct cg_map){c->map_names[k],
                                     m->wrap ? BPF_MAP_TYPE_LRU_HASH : BPF_MAP_TYPE_HASH,
                                     m->key_size, m->value_size, m->max_entries, 0});
    }
    if (u->walks)
        add_map(out, (struct cg_map){NGS_MAP_ROWS, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct ngs_row), 1,
                                     BPF_F_MMAPABLE});
    if (c->stacks)
        add_map(out, (struct cg_map){NGS_MAP_STACKS, BPF_MAP_TYPE_HASH, 8,
                                     sizeof(uint64_t) *
                                         (1 + (u->stack_texts ? NGS_STACK_ROOM : NGS_STACK_MAX)),
                                     stacks_max(c), u->stacks_sparse ? BPF_F_NO_PREALLOC : 0});
    if (u->stack_texts && c->n_funcs)
        add_map(out, (struct cg_map){NGS_MAP_TEXTS, BPF_MAP_TYPE_HASH, 8,
                                     NGS_STR_SIZE(NGS_TEXT_MAX), TEXTS_MAX, 0});
    if (u->frame_unwind && c->n_funcs)
        add_map(out, (struct cg_map){NGS_MAP_SPACES, BPF_MAP_TYPE_HASH, 4, sizeof(struct ngs_space),
                                     NGS_MAX_MEMBERS, BPF_F_NO_PREALLOC});
    if (c->n_metered)
        add_map(out, (struct cg_map){NGS_MAP_SPENT, BPF_MAP_TYPE_PERCPU_ARRAY, 4,
                                     sizeof(struct ngs_spent), u->n_probes + 1, 0});
    if (c->ticks)
        add_map(out, (struct cg_map){CG_MAP_TICKS, BPF_MAP_TYPE_ARRAY, 4, 4,
                                     (uint32_t)(ticks < CG_TICKS_MAX ? ticks : CG_TICKS_MAX), 0});
}

/* ---- the unit ---- */

static bool wants_sumsq(const struct ir_unit *u)
{
    for (uint32_t f = 0; f < u->n_funcs; f++)
        for (uint32_t b = 0; b < u->funcs[f]->n_blocks; b++)
            for (const struct ir_ins *i = u->funcs[f]->blocks[b]->first; i; i = i->next) {
                if ((i->op == IR_GSTATGET || i->op == IR_MSTATGET) && i->imm == NGS_STAT_VARIANCE)
                    return true;
                if (i->op == IR_FEBEGIN && (i->imm >> 16 & 0xff) == NGS_STAT_VARIANCE)
                    return true;
            }
    return false;
}

static void dump(struct cg *c)
{
    for (uint32_t k = 0; c->dump && k < c->n_funcs; k++)
        cg_disassemble(c->dump, c->cx, &c->funcs[k]);
}

static bool too_large(const struct ir_unit *u, struct span at, const char *what)
{
    diag_error(u->cx->diag, at, "limit", "%s", what);
    diag_hint(u->cx->diag, "-D MAXSTRINGLEN=N with N below %u makes each string smaller",
              u->cx->limits.maxstringlen + 1);
    return false;
}

/* The place of the function with most strings. */
static struct span most_strings(const struct ir_unit *u)
{
    uint32_t *n = ARENA_ARRAY(u->cx->arena, uint32_t, u->n_funcs + 1), most = 0;

    for (uint32_t k = 0; k < u->n_slots; k++)
        if (u->slots[k].type == IR_STRING && ++n[u->slots[k].func] > n[most])
            most = u->slots[k].func;
    return u->locs[u->funcs[most]->blocks[0]->first->loc].at;
}

/* What load/object.c would take for damage. */
static bool check_limits(const struct ir_unit *u)
{
    if (u->frame_size > OBJ_MAX_FRAME)
        return too_large(u, most_strings(u), "too many strings are in use at a time: over 16 MiB");
    if (u->globals_size > OBJ_MAX_VALUE / 2)
        return too_large(u, (struct span){0}, "the global strings take more than 8 MiB");
    if (u->n_modules > NGS_MAX_MODULES)
        return diag_error(u->cx->diag, (struct span){0}, "limit",
                          "the script looks into %u files; at most %d can be told apart",
                          u->n_modules, NGS_MAX_MODULES);
    return true;
}

/* ---- rests of handlers ---- */

static void number_rests(struct cg *c)
{
    const struct ir_unit *u = c->u;
    uint32_t n_values = 0;

    c->rests = ARENA_ARRAY(c->cx->arena, struct obj_rest, u->n_funcs + 1);
    c->rest_funcs = ARENA_ARRAY(c->cx->arena, uint32_t, u->n_funcs + 1);
    for (uint32_t k = 0; k < u->n_funcs; k++)
        if (u->funcs[k]->rest_of) {
            c->rest_funcs[c->n_rests] = k;
            c->rests[c->n_rests++] =
                (struct obj_rest){.value = n_values,
                                  .n_values = u->funcs[k]->n_params,
                                  .loc = u->funcs[k]->blocks[0]->first->loc,
                                  .flags = u->funcs[k]->exits ? REST_F_EXITS : 0};
            n_values += u->funcs[k]->n_params;
        }
}

/* The rests of PROBE's handler, unless another probe has the same one. */
static bool make_rests(struct cg *c, uint32_t probe)
{
    for (uint32_t k = 0; k < c->n_rests; k++)
        if (!c->rests[k].code_len &&
            c->u->funcs[c->rest_funcs[k]]->rest_of == c->u->funcs[c->u->probes[probe].func] &&
            !cg_user_rest(c, probe, k))
            return false;
    return true;
}

/* The kernel runs no tick's program within another's (bpf_overflow_handler). */
static uint32_t frames_needed(const struct ir_unit *u)
{
    for (uint32_t i = 0; i < u->n_probes; i++)
        if (!u->funcs[u->probes[i].func]->user &&
            attach_kind(u->probes[i].rec.kind)->context != CONTEXT_TICK)
            return NGS_FRAMES_PER_CPU;
    return 1;
}

bool cg_generate(const struct ir_unit *u, const struct kernel *k, FILE *dump_to,
                 struct cg_object *out)
{
    struct cg c = {.cx = u->cx, .u = u, .k = k, .dump = dump_to, .max = u->cx->limits.maxstringlen};
    struct cg_unit unit = {.cx = u->cx};

    c.frames_per_cpu = frames_needed(u);

    if (c.max > NGS_STRING_MAX)
        return diag_error(u->cx->diag, (struct span){0}, "limit", "MAXSTRINGLEN is at most %d",
                          NGS_STRING_MAX);
    if (!check_limits(u))
        return false;
    c.room = 2 * c.max + 64;
    c.globals_size = u->globals_size + c.room;
    c.sumsq = wants_sumsq(u);
    c.probes = ARENA_ARRAY(u->cx->arena, struct obj_probe, u->n_probes);
    name_maps(&c);
    cg_rodata_begin(&c);
    for (uint32_t n = 0; n < u->n_probes; n++) {
        c.probes[n] = u->probes[n].rec;
        c.probes[n].flags = u->probes[n].asks_place && attach_has(c.probes[n].kind, ATTACH_PLACES)
                                ? PROBE_F_COOKIE
                                : 0;
        c.n_metered += cg_is_metered(&c, n);
    }
    cg_rodata_places(&c);
    number_rests(&c);
    for (uint32_t n = 0; n < u->n_probes; n++) {
        bool user = u->funcs[u->probes[n].func]->user;

        if (!(user ? cg_user_program(&c, n) : cg_kernel_program(&c, n)) || !make_rests(&c, n))
            return false;
    }
    cg_rodata_end(&c);
    if (!cg_make_lib(&c))
        return false;
    dump(&c);
    make_maps(&c, &unit);
    unit.funcs = c.funcs;
    unit.n_funcs = c.n_funcs;
    unit.rodata = c.rodata;
    unit.rodata_size = c.rodata_used;
    unit.user_code = c.user;
    unit.user_len = c.n_user;
    unit.frame_size = u->frame_size;
    cg_make_meta(&c, &unit);
    return cg_write_elf(&unit, &out->elf, &out->elf_size);
}
