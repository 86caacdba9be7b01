/*
 * object_fixture: a small object made by hand, for the tests of the object writer and loader: one
 * perf_event program that uses a global subprogram, a bpf_loop callback, a hash map, the frames and
 * all data sections; one user-space probe.
 */
#ifndef TESTS_OBJECT_FIXTURE_H
#define TESTS_OBJECT_FIXTURE_H

#include "base/compile.h"
#include "cg/object.h"

enum { FIXTURE_PERIOD_NS = 1000000 };

/* What the program leaves in the globals map. */
struct fixture_globals {
    int64_t loops, lib, literal; /* 10, 5, FIXTURE_LITERAL */
    int64_t initial;             /* global "init": 42 */
    uint64_t pid;                /* of the last hit */
    uint64_t uprobe_hits;
};
#define FIXTURE_LITERAL 0x1122334455667788ll

struct compile fixture_compile(FILE *err);
void fixture_free(struct compile *cx);

/* The unit; BROKEN: its program reads through a scalar in script line 3, which the verifier
 * refuses. */
struct cg_unit *fixture_unit(struct compile *cx, bool broken);

/* With a second program, on the function at VADDR of this process's executable (module 0). */
struct cg_unit *fixture_uprobe_unit(struct compile *cx, uint64_t vaddr);

#endif
