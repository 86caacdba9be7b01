/*
 * cg_fixture: small IR units -> code in the kernel -> one run -> their globals. The programs are
 * loaded as raw tracepoints, since those can be run at will (BPF_PROG_TEST_RUN) in the caller's own
 * process, with the same helpers as perf events and uprobes.
 */
#ifndef TESTS_CG_FIXTURE_H
#define TESTS_CG_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ir/ir.h"
#include "target/target.h"

struct bpf_object;

struct cgt {
    struct compile cx;
    struct kernel *k;
    char *messages;
    size_t messages_size;
    FILE *stream;
    struct ir_unit *u;
    struct ir_cursor at; /* in the handler */
    uint32_t as;         /* BPF_PROG_TYPE_*: 0: raw tracepoint; others are only loaded */
    struct bpf_object *obj;
    int prog;
    uint8_t *globals; /* mapped */
    size_t globals_len;
    struct ngs_control *control;
    uint32_t verified;        /* instructions the verifier walked */
    uint8_t records[1 << 16] __attribute__((aligned(8))); /* of the last run, one after the other */
    size_t records_len;
};

/* Why the tests cannot run here, or NULL. */
const char *cgt_cannot(void);

/* A unit with one handler, the cursor in its entry; DISABLED: features to do without,
 * comma-separated, or NULL. */
void cgt_open(struct cgt *t, const char *disabled);
/* Ends the handler; generates, loads. False after showing why. */
bool cgt_load(struct cgt *t);
/* Runs the handler once; its records are in t->records. */
bool cgt_run(struct cgt *t);
void cgt_close(struct cgt *t);

uint32_t cgt_global(struct cgt *t, const char *name, uint8_t type); /* before cgt_load */
int64_t *cgt_long(struct cgt *t, uint32_t global);
struct ngs_str *cgt_str(struct cgt *t, uint32_t global);
struct ngs_stats *cgt_stats(struct cgt *t, uint32_t global);
void cgt_fill(struct ngs_str *s, const char *text, uint32_t len);
int cgt_map_fd(struct cgt *t, uint32_t map);

/* Short forms of IR */
struct ir_val cgt_gload(struct cgt *t, uint32_t global);
void cgt_gstore(struct cgt *t, uint32_t global, struct ir_val v);
struct ir_val cgt_gsget(struct cgt *t, uint32_t global); /* a slot with the string */
void cgt_gsset(struct cgt *t, uint32_t global, struct ir_val s);
struct ir_val cgt_lit(struct cgt *t, const char *text);
struct ir_ins *cgt_put(struct cgt *t, enum ir_op op);

#endif
