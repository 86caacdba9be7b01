#include "run_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "release.h"

struct fx *fx_new(void)
{
    struct fx *f = calloc(1, sizeof(*f));

    f->interrupt = INTERRUPT_NONE;
    f->cx.interrupt = &f->interrupt;
    f->cx.arena = arena_new();
    f->cx.sources = sources_new(f->cx.arena);
    f->cx.diag = diag_new(f->cx.arena, f->cx.sources, stderr);
    f->h = (struct obj_header){
        .version = NGS_OBJ_VERSION,
        .header_size = sizeof(f->h),
        .maxstringlen = FX_MAXLEN,
        .maxmapentries = 5000,
        .maxskipped = 100,
        .frame_size = FX_FRAME,
        .frame_out = FX_REC,
        .frame_error_text = FX_STR,
    };
    f->strings_len = 1;
    f->h.table[OBJ_LOCS].n = 1; /* 0: no place */
    f->o = (struct object){
        .guru = true,
        .h = &f->h,
        .strings = f->strings,
        .probes = f->probes,
        .maps = f->maps,
        .globals = f->globals,
        .formats = f->formats,
        .locs = f->locs,
        .user_code = (const uint64_t *)f->code,
        .rodata = f->rodata,
    };
    return f;
}

void fx_free(struct fx *f)
{
    arena_free(f->cx.arena);
    free(f->out);
    free(f->err);
    free(f);
}

uint32_t fx_string(struct fx *f, const char *s)
{
    uint32_t off = f->strings_len;

    memcpy(f->strings + off, s, strlen(s) + 1);
    f->strings_len += (uint32_t)strlen(s) + 1;
    f->h.table[OBJ_STRINGS].n = f->strings_len;
    return off;
}

uint32_t fx_lit(struct fx *f, const char *s)
{
    uint32_t off = f->h.rodata_size;
    struct ngs_str *to = (struct ngs_str *)(f->rodata + off);

    to->len = (uint32_t)strlen(s);
    memcpy(to->bytes, s, to->len + 1);
    f->h.rodata_size += (uint32_t)NGS_STR_SIZE(to->len);
    return off;
}

static uint32_t add_global(struct fx *f, struct obj_global g, uint32_t size)
{
    g.off = f->h.globals_size;
    f->h.globals_size += (size + 7) & ~7u;
    f->globals[f->h.table[OBJ_GLOBALS].n] = g;
    return f->h.table[OBJ_GLOBALS].n++;
}

uint32_t fx_long(struct fx *f, const char *name, int64_t init)
{
    return add_global(
        f, (struct obj_global){.name = fx_string(f, name), .type = OBJ_LONG, .init = init}, 8);
}

uint32_t fx_stats(struct fx *f, const char *name, uint32_t hist, int64_t start, int64_t stop,
                  int64_t interval)
{
    struct obj_global g = {fx_string(f, name),     OBJ_STATS, 0, 0, 0, hist, 0,
                           {start, stop, interval}};

    return add_global(f, g, (uint32_t)stats_size(hist, g.hist_args));
}

uint32_t fx_map(struct fx *f, const char *name, const char *keys, char value, uint32_t max)
{
    struct obj_map *m = &f->maps[f->h.table[OBJ_MAPS].n];

    *m = (struct obj_map){.name = fx_string(f, name),
                          .n_keys = (uint32_t)strlen(keys),
                          .max_entries = max,
                          .sized = max != 5000};
    m->val_type = value == 's' ? OBJ_STRING : value == 'a' ? OBJ_STATS : OBJ_LONG;
    m->hist = value == 'a' ? NGS_HIST_LOG : NGS_HIST_NONE;
    m->val_off = value == 's' ? 8 : 0;
    m->value_size = value == 's'   ? 8 + FX_STR_SIZE
                    : value == 'a' ? (uint32_t)stats_size(m->hist, m->hist_args)
                                   : 8;
    for (uint32_t k = 0; k < m->n_keys; k++) {
        m->key_type[k] = keys[k] == 's' ? OBJ_STRING : OBJ_LONG;
        m->key_off[k] = m->key_size;
        m->key_size += keys[k] == 's' ? 16 : 8;
        if (keys[k] == 's') {
            m->text_off[k] = m->value_size;
            m->value_size += FX_STR_SIZE;
        }
    }
    return f->h.table[OBJ_MAPS].n++;
}

uint32_t fx_format(struct fx *f, const char *text, uint32_t flags, const char *args)
{
    struct obj_format *o = &f->formats[f->h.table[OBJ_FORMATS].n];

    *o = (struct obj_format){fx_string(f, text), flags, (uint32_t)strlen(args), 0, 0};
    for (uint32_t i = 0; args[i]; i++)
        o->arg_types |= (uint64_t)(args[i] == 's' ? OBJ_STRING : OBJ_LONG) << 2 * i;
    return f->h.table[OBJ_FORMATS].n++;
}

uint32_t fx_loc(struct fx *f, const char *token, uint32_t line, uint32_t col)
{
    f->locs[f->h.table[OBJ_LOCS].n] =
        (struct obj_loc){fx_string(f, "t.stp"), line, col, fx_string(f, token)};
    return f->h.table[OBJ_LOCS].n++;
}

/* ---- handlers ---- */

void fx_probe(struct fx *f, enum probe_kind kind, int64_t number, const char *name)
{
    bool timer = attach_is_timer(kind);
    struct obj_probe probe = {.kind = kind,
                              .name = fx_string(f, name),
                              .period = timer ? (uint64_t)number : 0,
                              .sequence = timer ? 0 : number,
                              .code_off = f->o.user_code_len};

    f->probes[f->h.table[OBJ_PROBES].n++] = probe;
}

void fx_insn(struct fx *f, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
    f->code[f->o.user_code_len++] =
        (struct bpf_insn){.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
    f->probes[f->h.table[OBJ_PROBES].n - 1].code_len++;
}

void fx_end(struct fx *f)
{
    fx_insn(f, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void fx_mov(struct fx *f, uint8_t reg, int32_t v)
{
    fx_insn(f, BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, v);
}

void fx_frame_addr(struct fx *f, uint8_t reg, int32_t off)
{
    fx_insn(f, BPF_ALU64 | BPF_MOV | BPF_X, reg, 9, 0, 0);
    fx_insn(f, BPF_ALU64 | BPF_ADD | BPF_K, reg, 0, 0, off);
}

void fx_map_addr(struct fx *f, uint8_t reg, enum user_map map, uint32_t off)
{
    fx_insn(f, BPF_LD | BPF_IMM | BPF_DW, reg, 1, 0, (int32_t)map);
    fx_insn(f, 0, 0, 0, 0, (int32_t)off);
}

void fx_call(struct fx *f, enum ngs_helper h)
{
    fx_insn(f, BPF_JMP | BPF_CALL, 0, 0, 0, NGS_H_BASE + (int32_t)h);
}

static void store(struct fx *f, uint8_t size, int16_t off, int32_t v)
{
    fx_insn(f, BPF_ST | BPF_MEM | size, 9, 0, off, v);
}

static void rec_head(struct fx *f, enum ngs_rec_kind kind, uint32_t format, uint32_t body)
{
    store(f, BPF_H, FX_REC, (int32_t)kind);
    store(f, BPF_H, FX_REC + 2, (int32_t)format);
    store(f, BPF_W, FX_REC + 4, (int32_t)(sizeof(struct ngs_rec) + body));
    store(f, BPF_W, FX_REC + 8, 0);
    store(f, BPF_W, FX_REC + 12, 0);
    store(f, BPF_DW, FX_REC + 16, 0);
}

/* The string as immediates at OFF; returns its size. */
static uint32_t rec_str(struct fx *f, int16_t off, const char *s)
{
    uint32_t len = (uint32_t)strlen(s);

    store(f, BPF_W, off, (int32_t)len);
    store(f, BPF_W, (int16_t)(off + 4), 0);
    for (uint32_t i = 0; i < len; i++)
        store(f, BPF_B, (int16_t)(off + 8 + (int)i), s[i]);
    return 8 + ((len + 7) & ~7u);
}

static void hand_over(struct fx *f)
{
    fx_frame_addr(f, 1, FX_REC);
    fx_call(f, NGS_H_PRINT);
}

void fx_print(struct fx *f, const char *text)
{
    uint32_t format = fx_format(f, "", 0, "s");

    rec_head(f, NGS_REC_PRINT, format, rec_str(f, FX_BODY, text));
    hand_over(f);
}

void fx_print_long(struct fx *f, uint32_t format, uint8_t reg, int16_t off)
{
    fx_insn(f, BPF_LDX | BPF_MEM | BPF_DW, 0, reg, off, 0);
    rec_head(f, NGS_REC_PRINT, format, 8);
    fx_insn(f, BPF_STX | BPF_MEM | BPF_DW, 9, 0, FX_BODY, 0);
    hand_over(f);
}

void fx_error(struct fx *f, enum ngs_error e, int64_t arg, uint32_t loc, const char *text)
{
    rec_head(f, NGS_REC_ERROR, 0, 24 + rec_str(f, FX_BODY + 24, text));
    store(f, BPF_DW, FX_BODY, (int32_t)e);
    store(f, BPF_DW, FX_BODY + 8, (int32_t)arg);
    store(f, BPF_DW, FX_BODY + 16, (int32_t)loc);
    hand_over(f);
}

void fx_warn(struct fx *f, const char *text)
{
    rec_head(f, NGS_REC_WARN, 0, rec_str(f, FX_BODY, text));
    hand_over(f);
}

/* ---- running ---- */

int fx_run(struct fx *f)
{
    int status;

    free(f->out);
    free(f->err);
    f->opts.out = open_memstream(&f->out, &f->out_len);
    f->opts.err = open_memstream(&f->err, &f->err_len);
    status = run_session(&f->cx, &f->o, NULL, NULL, &f->opts);
    release_signals(&f->interrupt);
    fclose(f->opts.out);
    fclose(f->opts.err);
    return status;
}

struct run *fx_open(struct fx *f)
{
    struct run *r = calloc(1, sizeof(*r));

    f->opts.out = open_memstream(&f->out, &f->out_len);
    f->opts.err = open_memstream(&f->err, &f->err_len);
    *r = (struct run){.cx = &f->cx, .o = &f->o, .opts = &f->opts};
    if (!run_open(r))
        abort();
    r->probe = f->probes;
    return r;
}

void fx_close(struct run *r)
{
    output_flush(r);
    fclose(r->opts->out);
    fclose(r->opts->err);
    run_close(r);
    free(r);
}

static uint32_t str_off(uint32_t n)
{
    return FX_STR + n * FX_STR_SIZE;
}

uint64_t fx_str(struct run *r, uint32_t n, const char *s)
{
    str_set((struct ngs_str *)(r->frame + str_off(n)), FX_MAXLEN, s, strlen(s));
    return vm_addr(VM_FRAME, str_off(n));
}

const char *fx_text(struct run *r, uint32_t n)
{
    return ((struct ngs_str *)(r->frame + str_off(n)))->bytes;
}

uint64_t fx_help(struct run *r, enum ngs_helper h, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    uint64_t args[5] = {a, b, c, d, 0};

    r->vm.fault = NULL;
    ((struct ngs_frame *)r->frame)->error = 0;
    return run_helper(&r->vm, h, args);
}

int64_t fx_slot(struct run *r, uint32_t n)
{
    int64_t v;

    memcpy(&v, r->frame + FX_LONGS + 8 * n, sizeof(v));
    return v;
}

uint64_t fx_slot_addr(uint32_t n)
{
    return vm_addr(VM_FRAME, FX_LONGS + 8 * n);
}
