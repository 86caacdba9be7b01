/*
 * cond: the value of one comparison in a condition of the preprocessor.
 *
 * Enters: "LEFT OP RIGHT" as tokens, and what the known words stand for. Leaves: true or false.
 * Refuses, by a report: words it does not know, operators and operands that do not go together.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strverscmp */
#endif
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "syntax/token.h"
#include "base/bytes.h"
#include "syntax/parse.h"

#define TAG "syntax"

static bool compare(int op, int order)
{
    switch (op) {
    case EQ:
        return order == 0;
    case NE:
        return order != 0;
    case '<':
        return order < 0;
    case LE:
        return order <= 0;
    case '>':
        return order > 0;
    default:
        return order >= 0;
    }
}

static bool is_comparison(int kind)
{
    return kind == EQ || kind == NE || kind == '<' || kind == '>' || kind == LE || kind == GE;
}

static int order_numbers(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* Like strcmp, for texts with a length that may hold NULs. */
static int order_strings(const struct token *a, const struct token *b)
{
    int order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);

    return order ? order : order_numbers(a->len, b->len);
}

struct known_word {
    const char *name, *value;
    enum { BY_VERSION, BY_PATTERN } how;
};

/* kernel_v >= "5.4": versions by order or pattern, the rest by pattern. */
static bool eval_word(struct compile *cx, const struct pp_env *env, const struct known_word *w,
                      const struct token *op, const struct token *r, bool *value)
{
    struct diag *d = cx->diag;
    const char *right = token_text(cx->arena, r);
    const char *left = w->value ? w->value : "";

    if (r->kind != STRING)
        return diag_error(d, r->at, TAG, "'%s' is compared with a string", w->name);
    if (w->how == BY_VERSION && !has_wildcard(right)) {
        *value = compare(op->kind, strverscmp(left, right));
        return true;
    }
    if (op->kind != EQ && op->kind != NE)
        return diag_error(d, op->at, TAG,
                          w->how == BY_VERSION
                              ? "a pattern is compared with '==' or '!=' only: '%s'"
                              : "'%s' is compared with '==' or '!=' only",
                          w->how == BY_VERSION ? right : w->name);
    *value = (fnmatch(right, left, FNM_NOESCAPE) == 0) == (op->kind == EQ);
    return true;
}

static const char *config_value(struct compile *cx, const struct pp_env *env, const struct token *t)
{
    const char *value = NULL;

    if (env->config)
        value = env->config(env->config_arg, token_text(cx->arena, t));
    return value ? value : "";
}

static bool is_config(const struct token *t)
{
    return t->kind == IDENT && t->len > 7 && !memcmp(t->text, "CONFIG_", 7);
}

static bool to_number(const char *s, int64_t *n)
{
    char *end;

    *n = strtoll(s, &end, 0);
    return *end == '\0';
}

static bool eval_config(struct compile *cx, const struct pp_env *env, const struct token *l,
                        const struct token *op, const struct token *r, bool *value)
{
    const char *left = config_value(cx, env, l);
    int64_t a, b;

    if (r->kind == STRING) {
        struct known_word w = {token_text(cx->arena, l), left, BY_PATTERN};

        return eval_word(cx, env, &w, op, r, value);
    }
    if (r->kind == NUMBER) {
        if (!to_number(left, &a))
            return diag_error(cx->diag, l->at, TAG, "the kernel's %.*s is no number: '%s'",
                              (int)l->len, l->text, left);
        *value = compare(op->kind, order_numbers(a, r->number));
        return true;
    }
    if (!is_config(r))
        return diag_error(cx->diag, r->at, TAG,
                          "expected a string, a number or another CONFIG_ name");
    const char *right = config_value(cx, env, r);

    if (to_number(left, &a) && to_number(right, &b))
        *value = compare(op->kind, order_numbers(a, b));
    else
        *value = compare(op->kind, strcmp(left, right));
    return true;
}

bool cond_eval(struct compile *cx, const struct pp_env *env, const struct token *l,
               const struct token *op, const struct token *r, bool *value)
{
    struct diag *d = cx->diag;
    const struct known_word known[] = {
        {"kernel_v", env->kernel_v, BY_VERSION},
        {"kernel_vr", env->kernel_vr, BY_VERSION},
        {"systemtap_v", env->systemtap_v, BY_VERSION},
        {"arch", env->arch, BY_PATTERN},
        {"runtime", env->runtime, BY_PATTERN},
        {"systemtap_privilege", "stapdev", BY_PATTERN},
    };

    if (!is_comparison(op->kind))
        return diag_error(d, op->at, TAG, "expected a comparison in this condition");
    if (l->kind == STRING && r->kind == STRING) {
        *value = compare(op->kind, order_strings(l, r));
        return true;
    }
    if (l->kind == NUMBER && r->kind == NUMBER) {
        *value = compare(op->kind, order_numbers(l->number, r->number));
        return true;
    }
    if (l->kind == STRING || l->kind == NUMBER)
        return diag_error(d, r->at, TAG, "expected a %s to compare with",
                          l->kind == STRING ? "string" : "number");
    if (is_config(l))
        return eval_config(cx, env, l, op, r, value);
    if (l->kind == IDENT && token_equal(l, "guru_mode")) {
        if (r->kind != NUMBER || (r->number & ~1LL) || (op->kind != EQ && op->kind != NE))
            return diag_error(d, op->at, TAG, "'guru_mode' is compared with '== 0' or '== 1'");
        *value = compare(op->kind, order_numbers(env->guru, r->number));
        return true;
    }
    if (l->kind == IDENT)
        for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
            if (token_equal(l, known[i].name))
                return eval_word(cx, env, &known[i], op, r, value);
    diag_error(d, l->at, TAG, "unknown condition '%.*s'", (int)l->len, l->text);
    diag_hint(d, "conditions know kernel_v, kernel_vr, arch, runtime, systemtap_v, "
                 "systemtap_privilege, guru_mode, "
                 "CONFIG_..., $#, strings and numbers");
    return false;
}
