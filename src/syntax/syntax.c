/*
 * syntax: parses one source into a program; see syntax.h.
 *
 * Enters: a source and what conditions compare with. Leaves: declarations at the end of the
 * program's lists. Refuses: whatever the stages below it report.
 */
#include "syntax/syntax.h"

#include "base/bytes.h"
#include "syntax/build.h"
#include "syntax/parse.h"

bool syntax_parse(struct compile *cx, const struct pp_env *env, struct source *src,
                  struct macros *library, struct program *prog)
{
    struct parser *p = ARENA_NEW(cx->arena, struct parser);
    unsigned errors = diag_errors(cx->diag);

    p->cx = cx;
    p->env = env;
    p->src = src;
    p->prog = prog;
    p->privileged = env->guru || src->tapset;
    p->macros_only = ends_with(src->name, ".stpm");
    for (p->probes_tail = &prog->probes; *p->probes_tail; p->probes_tail = &(*p->probes_tail)->next)
        ;
    for (p->aliases_tail = &prog->aliases; *p->aliases_tail;
         p->aliases_tail = &(*p->aliases_tail)->next)
        ;
    for (p->funcs_tail = &prog->funcs; *p->funcs_tail; p->funcs_tail = &(*p->funcs_tail)->next)
        ;
    for (p->globals_tail = &prog->globals; *p->globals_tail;
         p->globals_tail = &(*p->globals_tail)->next)
        ;
    p->feed.cx = cx;
    p->feed.pp = pp_open(cx, env, src, library);
    if (syntax_yyparse(p) != 0)
        p->failed = true;
    if (p->macros_only && !pp_export(p->feed.pp))
        p->failed = true;
    pp_close(p->feed.pp);
    return !p->failed && diag_errors(cx->diag) == errors;
}
