/*
 * run_fixture: objects made by hand for the tests of the run time: tables, literals and handlers,
 * without a code generator. Handlers are put together by fx_* calls; r9 is the frame.
 */
#ifndef TESTS_RUN_FIXTURE_H
#define TESTS_RUN_FIXTURE_H

#include <linux/bpf.h>

#include "base/arena.h"
#include "base/compile.h"
#include "run/run.h"
#include "run/helpers.h"

enum {
    FX_MAXLEN = 127,
    /* the frame: header, then */
    FX_KEY = 256,
    FX_TEXTS = 320,
    FX_LONGS = 512, /* 8 bytes each */
    FX_STR = 1024,  /* FX_STR_SIZE each */
    FX_STR_SIZE = 136,
    FX_REC = 8192,
    FX_BODY = FX_REC + 24, /* behind the struct ngs_rec */
    FX_FRAME = 8192 + 4096,
    FX_MAX = 64,
};

struct fx {
    struct compile cx;
    struct interrupt interrupt;
    struct object o;
    struct obj_header h;
    char strings[4096];
    uint32_t strings_len;
    struct obj_probe probes[FX_MAX];
    struct obj_map maps[FX_MAX];
    struct obj_global globals[FX_MAX];
    struct obj_format formats[FX_MAX];
    struct obj_loc locs[FX_MAX];
    struct bpf_insn code[8192];
    _Alignas(8) uint8_t rodata[8192];
    struct run_opts opts;
    char *out, *err;
    size_t out_len, err_len;
};

struct fx *fx_new(void);
void fx_free(struct fx *f);

uint32_t fx_string(struct fx *f, const char *s);
uint32_t fx_lit(struct fx *f, const char *s); /* offset in rodata */
uint32_t fx_long(struct fx *f, const char *name, int64_t init);
uint32_t fx_stats(struct fx *f, const char *name, uint32_t hist, int64_t start, int64_t stop,
                  int64_t interval);
/* KEYS: a letter a key, 's' or 'l'; VALUE likewise or 'a' (aggregate). */
uint32_t fx_map(struct fx *f, const char *name, const char *keys, char value, uint32_t max);
uint32_t fx_format(struct fx *f, const char *text, uint32_t flags, const char *args);
uint32_t fx_loc(struct fx *f, const char *token, uint32_t line, uint32_t col);

/*
 * Starts a handler: what follows belongs to it until the next one; fx_end adds exit. NUMBER: a
 * timer's period, else the sequence number.
 */
void fx_probe(struct fx *f, enum probe_kind kind, int64_t number, const char *name);
void fx_end(struct fx *f);
void fx_insn(struct fx *f, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm);
void fx_mov(struct fx *f, uint8_t reg, int32_t v);
void fx_frame_addr(struct fx *f, uint8_t reg, int32_t off);
void fx_map_addr(struct fx *f, uint8_t reg, enum user_map map, uint32_t off);
void fx_call(struct fx *f, enum ngs_helper h);
/* print(literal) by a PLAIN format of one string. */
void fx_print(struct fx *f, const char *text);
/* printf of one long that lies at (reg + off). */
void fx_print_long(struct fx *f, uint32_t format, uint8_t reg, int16_t off);
void fx_error(struct fx *f, enum ngs_error e, int64_t arg, uint32_t loc, const char *text);
void fx_warn(struct fx *f, const char *text);

/* Runs the session; out and err hold what it printed. */
int fx_run(struct fx *f);

/* For calling helpers directly: a run over the object that is not in a session. FDS as the kernel's
 * maps. */
struct run *fx_open(struct fx *f);
void fx_close(struct run *r);
uint64_t fx_str(struct run *r, uint32_t n, const char *s); /* string slot N set; its address */
const char *fx_text(struct run *r, uint32_t n);            /* string slot N */
uint64_t fx_help(struct run *r, enum ngs_helper h, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
int64_t fx_slot(struct run *r, uint32_t n); /* long slot N */
uint64_t fx_slot_addr(uint32_t n);

#endif
