/*
 * sema: the order of the passes; see sema.h. Enters: a parsed program, the target and the library's
 * directories; leaves: the program typed, or errors. A pass that rests on a faulty one is left out,
 * so that each fault is reported once.
 */
#include "sema/internal.h"

#include <string.h>

struct progress {
    struct probe **done;
    uint32_t n_done;
    struct probe_inst **next; /* the first instance not walked yet */
};

static bool is_done(const struct progress *p, const struct probe *probe)
{
    for (uint32_t i = 0; i < p->n_done; i++)
        if (p->done[i] == probe)
            return true;
    return false;
}

/* Resolves and walks what belongs to the program by now; true: something new did. */
static bool advance(struct sema *s, struct progress *p)
{
    bool more = false;

    for (struct probe *probe = s->prog->probes; probe && !diag_stopped(s->diag);
         probe = probe->next) {
        if (!sema_is_chosen(s, sema_file(s, probe->at)) || is_done(p, probe))
            continue;
        p->done = arena_grow(s->arena, p->done, p->n_done, sizeof(struct probe *));
        p->done[p->n_done++] = probe;
        sema_points(s, probe);
        more = true;
    }
    for (; *p->next && !diag_stopped(s->diag); p->next = &(*p->next)->next) {
        sema_walk_inst(s, *p->next);
        more = true;
    }
    return more;
}

/* The probes that show what nothing reads, through the same passes. */
static void add_display(struct sema *s, struct progress *p)
{
    const char *text = sema_print_globals(s);

    if (!text)
        return;
    struct source *src =
        source_add(s->cx->sources, "<unread globals>", text, (uint32_t)strlen(text));

    if (!syntax_parse(s->cx, s->opts->env, src, s->opts->macros, s->prog))
        return;
    while (advance(s, p))
        ;
    sema_types(s);
}

static void run(struct sema *s)
{
    struct progress p = {.next = &s->prog->insts};
    unsigned errors = diag_errors(s->diag);

    sema_tapset_read(s);
    while (advance(s, &p) && !diag_stopped(s->diag))
        ; /* what a body uses can add library files with probes of their own */
    sema_insert_entries(s);
    if (!s->prog->insts && diag_errors(s->diag) == errors) {
        diag_error(s->diag, (struct span){0}, "no-probe",
                   "the script has no probe that can be placed");
        diag_hint(s->diag, p.n_done
                               ? "each of its probe points is optional ('?'), and none is there"
                               : "a script needs one at least: probe begin { ... }");
    }
    if (diag_stopped(s->diag))
        return;
    sema_types(s);
    s->failed = diag_errors(s->diag) != errors;
    if (!s->failed)
        sema_addresses(s);
    if (!s->failed)
        sema_report_skipped(s);
    if (!s->failed && !s->opts->no_display)
        add_display(s, &p);
    if (!diag_stopped(s->diag))
        sema_check(s);
}

bool sema_run(struct compile *cx, const struct sema_opts *o, struct program *prog, struct target *t,
              struct debuginfo *di)
{
    struct sema *s = ARENA_NEW(cx->arena, struct sema);
    unsigned errors = diag_errors(cx->diag);

    s->cx = cx;
    s->arena = cx->arena;
    s->diag = cx->diag;
    s->opts = o;
    s->prog = prog;
    s->target = t;
    s->di = di;
    s->moved = moved_read(cx, o->tapset_dirs, o->n_tapset_dirs);
    s->tail = &prog->insts;
    while (*s->tail)
        s->tail = &(*s->tail)->next;
    run(s);
    sema_tapset_free(s);
    sema_systemtap_free(s);
    return diag_errors(cx->diag) == errors;
}
