/*
 * conf: reads an agent's configuration. Enters: text of sections, "[NAME]", and lines "KEY = VALUE"
 * (what begins with # or ; is a comment); leaves: struct agent_conf. Refused, each with its line:
 * what conf.h says. A key is a row of a table: its section, its kind, where it goes.
 */
#include "agent/conf.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "base/arena.h"
#include "base/bytes.h"

#define KIB UINT64_C(1024)

enum kind {
    KIND_TEXT,
    KIND_PATH,
    KIND_TIME,
    KIND_SIZE,
    KIND_NUMBER,
    KIND_SHARE,
    KIND_ADDRESS,
    KIND_LIST
};

enum section { SECTION_NONE, SECTION_AGENT, SECTION_PUSH, SECTION_MATCH };

static const char *const section_names[] = {
    [SECTION_AGENT] = "agent", [SECTION_PUSH] = "push", [SECTION_MATCH] = "match"};

#define CONF(field) offsetof(struct agent_conf, field)
#define RULE(field) offsetof(struct conf_rule, field)
#define FACT(fact)  (RULE(facts) + (fact) * sizeof(struct conf_patterns))

static const struct key {
    enum section section;
    const char *name;
    enum kind kind;
    size_t at;          /* in struct agent_conf or struct conf_rule */
    double least, most; /* in seconds, bytes, or what is counted */
} keys[] = {
    {SECTION_AGENT, "spool", KIND_PATH, CONF(spool), 0, 0},
    {SECTION_AGENT, "spool-size", KIND_SIZE, CONF(spool_bytes), 1 << 20, 1e15},
    {SECTION_AGENT, "spool-files", KIND_NUMBER, CONF(spool_files), 1, 100000},
    {SECTION_AGENT, "window", KIND_TIME, CONF(window), 1, 3600},
    {SECTION_AGENT, "settle", KIND_TIME, CONF(settle), 0, 3600},
    {SECTION_AGENT, "scan", KIND_TIME, CONF(scan), 0.5, 3600},
    {SECTION_AGENT, "hz", KIND_NUMBER, CONF(hz), 1, CONF_HZ_MAX},
    {SECTION_AGENT, "cpu", KIND_SHARE, CONF(cpu), 0.0001, 64},
    {SECTION_AGENT, "memory", KIND_SIZE, CONF(memory), 1 << 20, 1e15},
    {SECTION_AGENT, "sessions", KIND_NUMBER, CONF(sessions), 1, 256},
    {SECTION_AGENT, "listen", KIND_ADDRESS, CONF(address), 0, 0},
    {SECTION_PUSH, "pyroscope", KIND_TEXT, CONF(pyroscope), 0, 0},
    {SECTION_PUSH, "otlp", KIND_TEXT, CONF(otlp), 0, 0},
    {SECTION_PUSH, "header", KIND_LIST, CONF(headers), 0, 0},
    {SECTION_PUSH, "label", KIND_LIST, CONF(labels), 0, 0},
    {SECTION_MATCH, "exe", KIND_LIST, FACT(FACT_EXE), 0, 0},
    {SECTION_MATCH, "comm", KIND_LIST, FACT(FACT_COMM), 0, 0},
    {SECTION_MATCH, "cgroup", KIND_LIST, FACT(FACT_CGROUP), 0, 0},
    {SECTION_MATCH, "container", KIND_LIST, FACT(FACT_CONTAINER), 0, 0},
    {SECTION_MATCH, "label", KIND_LIST, FACT(FACT_LABEL), 0, 0},
    {SECTION_MATCH, "pod", KIND_LIST, FACT(FACT_POD), 0, 0},
    {SECTION_MATCH, "service", KIND_TEXT, RULE(service), 0, 0},
    {SECTION_MATCH, "frames", KIND_TEXT, RULE(frames), 0, 0},
    {SECTION_MATCH, "pack", KIND_LIST, RULE(packs), 0, 0},
};
enum { N_KEYS = sizeof(keys) / sizeof(*keys) };

/* A list's count stands behind it. */
_Static_assert(offsetof(struct agent_conf, n_headers) ==
                   offsetof(struct agent_conf, headers) + offsetof(struct conf_patterns, n),
               "headers are laid out as struct conf_patterns");
_Static_assert(offsetof(struct agent_conf, n_labels) ==
                   offsetof(struct agent_conf, labels) + offsetof(struct conf_patterns, n),
               "labels are laid out as struct conf_patterns");

struct parser {
    struct compile *cx;
    uint32_t file;
    const char *text;
    struct agent_conf *conf;
    enum section section;
    bool said[N_KEYS]; /* in this section */
    bool ok;
};

/* A word of the text. */
struct word {
    const char *s;
    size_t n;
};

static struct span span_of(const struct parser *p, struct word w)
{
    return (struct span){.file = p->file, .off = (uint32_t)(w.s - p->text), .len = (uint32_t)w.n};
}

#define REFUSE(p, w, ...)                                                                          \
    ((p)->ok = diag_error((p)->cx->diag, span_of(p, w), "configuration", __VA_ARGS__))

static struct word trimmed(const char *s, size_t n)
{
    while (n && isspace((unsigned char)*s)) {
        s++;
        n--;
    }
    while (n && isspace((unsigned char)s[n - 1]))
        n--;
    return (struct word){s, n};
}

/* ---- values ---- */

/* A number, and what follows it at *REST. */
static bool number(const char *s, double *v, const char **rest)
{
    char *end;

    if (!isdigit((unsigned char)*s)) /* no sign, nan or inf */
        return false;
    errno = 0;
    *v = strtod(s, &end);
    *rest = end;
    return !errno;
}

struct unit {
    const char *name;
    double is;
};

static const struct unit times[] = {{"", 1}, {"s", 1}, {"ms", 0.001}, {"m", 60}, {"h", 3600}, {0}};
static const struct unit sizes[] = {
    {"", 1}, {"K", KIB}, {"M", KIB *KIB}, {"G", KIB *KIB *KIB}, {0}};
static const struct unit shares[] = {{"%", 0.01}, {0}};
static const struct unit counts[] = {{"", 1}, {0}};

static const struct {
    const struct unit *units;
    const char *what;
} measured[] = {
    [KIND_TIME] = {times, "a time: 30, 500ms, 5m"},
    [KIND_SIZE] = {sizes, "bytes: 4096, 256M, 1G"},
    [KIND_NUMBER] = {counts, "a whole number"},
    [KIND_SHARE] = {shares, "a share of one CPU: 1%, 0.5%"},
};

static bool measure(struct parser *p, const struct key *k, struct word w, const char *text,
                    double *v)
{
    const char *rest;
    const struct unit *u = measured[k->kind].units;

    if (!number(text, v, &rest))
        return REFUSE(p, w, "%s takes %s", k->name, measured[k->kind].what);
    while (u->name && strcmp(u->name, rest))
        u++;
    if (!u->name || (k->kind == KIND_NUMBER && *v != (double)(uint64_t)*v))
        return REFUSE(p, w, "%s takes %s", k->name, measured[k->kind].what);
    *v *= u->is;
    if (*v < k->least || *v > k->most)
        return REFUSE(p, w, "%s takes from %g to %g%s", k->name,
                      k->least / (k->kind == KIND_SHARE ? 0.01 : 1),
                      k->most / (k->kind == KIND_SHARE ? 0.01 : 1),
                      k->kind == KIND_SHARE  ? " %"
                      : k->kind == KIND_TIME ? " seconds"
                      : k->kind == KIND_SIZE ? " bytes"
                                             : "");
    return true;
}

/* "127.0.0.1:9273" */
static bool address(struct parser *p, struct word w, const char *text)
{
    const char *colon = strrchr(text, ':'), *rest;
    struct in_addr in;
    double port;

    p->conf->address = colon ? arena_strndup(p->cx->arena, text, (size_t)(colon - text)) : "";
    if (inet_pton(AF_INET, p->conf->address, &in) != 1 || !number(colon + 1, &port, &rest) ||
        *rest || port > 65535 || port != (double)(uint16_t)port)
        return REFUSE(p, w, "listen takes an IPv4 address in digits and a port: 127.0.0.1:9273");
    p->conf->port = (uint16_t)port;
    return true;
}

static bool set(struct parser *p, const struct key *k, struct word value)
{
    struct agent_conf *c = p->conf;
    char *to =
        (char *)(k->section == SECTION_MATCH ? (void *)&c->rules[c->n_rules - 1] : c) + k->at;
    const char *text = arena_strndup(p->cx->arena, value.s, value.n);
    struct conf_patterns *list = (void *)to;
    double v = 0;

    switch (k->kind) {
    case KIND_PATH:
        if (*text != '/')
            return REFUSE(p, value, "%s takes a path that begins with /", k->name);
        /* fall through */
    case KIND_TEXT:
        *(const char **)to = text;
        return true;
    case KIND_LIST:
        list->v = arena_grow(p->cx->arena, list->v, list->n, sizeof(*list->v));
        list->v[list->n++] = text;
        return true;
    case KIND_ADDRESS:
        return address(p, value, text);
    case KIND_TIME:
    case KIND_SHARE:
        if (!measure(p, k, value, text, &v))
            return false;
        *(double *)to = v;
        return true;
    case KIND_SIZE:
    case KIND_NUMBER:
        if (!measure(p, k, value, text, &v))
            return false;
        *(uint64_t *)to = (uint64_t)v;
        return true;
    }
    return false;
}

/* ---- lines ---- */

static bool is_word_of(struct word w, const char *name)
{
    return strlen(name) == w.n && !memcmp(name, w.s, w.n);
}

static void key_line(struct parser *p, struct word name, struct word value)
{
    struct near near;
    const char *best;

    near_init(&near, arena_strndup(p->cx->arena, name.s, name.n));
    for (int i = 0; i < N_KEYS; i++) {
        const struct key *k = &keys[i];

        if (k->section != p->section)
            continue;
        near_try(&near, k->name);
        if (!is_word_of(name, k->name))
            continue;
        if (p->said[i] && k->kind != KIND_LIST)
            REFUSE(p, name, "%s is said twice", k->name);
        else if (!value.n)
            REFUSE(p, name, "%s has no value", k->name);
        else
            set(p, k, value);
        p->said[i] = true;
        return;
    }
    REFUSE(p, name, "[%s] has no key %.*s", section_names[p->section], (int)name.n, name.s);
    best = near_best(&near);
    if (best)
        diag_hint(p->cx->diag, "did you mean %s?", best);
    else
        diag_hint(p->cx->diag, "ngstap(1), \"agent\", lists the keys");
}

static void begin_rule(struct parser *p, struct word head, struct word name)
{
    struct agent_conf *c = p->conf;

    for (size_t i = 0; i < name.n; i++)
        if (!is_word(name.s[i]) && name.s[i] != '-' && name.s[i] != '.')
            name.n = 0;
    if (!name.n) {
        REFUSE(p, head, "[match NAME]: a name of letters, digits, _, - and .");
        return;
    }
    if (c->n_rules == CONF_RULES_MAX) {
        REFUSE(p, head, "there are more than %d sections [match]", CONF_RULES_MAX);
        return;
    }
    for (uint32_t i = 0; i < c->n_rules; i++)
        if (is_word_of(name, c->rules[i].name))
            REFUSE(p, name, "[match %s] is said twice", c->rules[i].name);
    c->rules = arena_grow(p->cx->arena, c->rules, c->n_rules, sizeof(*c->rules));
    c->rules[c->n_rules++] = (struct conf_rule){.name = arena_strndup(p->cx->arena, name.s, name.n),
                                                .line = span_of(p, head).off};
    p->section = SECTION_MATCH;
}

/* "[NAME]", "[match NAME]": HEAD is what lies between. */
static void section_line(struct parser *p, struct word head)
{
    size_t n = 0;

    while (n < head.n && !isspace((unsigned char)head.s[n]))
        n++;
    struct word first = {head.s, n}, rest = trimmed(head.s + n, head.n - n);

    p->section = SECTION_NONE;
    memset(p->said, 0, sizeof(p->said));
    if (is_word_of(first, "match"))
        begin_rule(p, head, rest);
    else if (!rest.n && is_word_of(first, "agent"))
        p->section = SECTION_AGENT;
    else if (!rest.n && is_word_of(first, "push"))
        p->section = SECTION_PUSH;
    else
        REFUSE(p, head, "there is no section [%.*s]: there are [agent], [push] and [match NAME]",
               (int)head.n, head.s);
}

static void take_line(struct parser *p, const char *s, size_t n)
{
    struct word line = trimmed(s, n);
    const char *equals;

    if (!line.n || *line.s == '#' || *line.s == ';')
        return;
    for (size_t i = 0; i < line.n; i++)
        if ((unsigned char)line.s[i] < ' ' && line.s[i] != '\t') {
            REFUSE(p, ((struct word){line.s + i, 1}), "a control character");
            return;
        }
    if (*line.s == '[' && line.s[line.n - 1] == ']') {
        section_line(p, trimmed(line.s + 1, line.n - 2));
        return;
    }
    equals = memchr(line.s, '=', line.n);
    if (!equals) {
        REFUSE(p, line, "expected [SECTION] or KEY = VALUE");
        return;
    }
    if (p->section != SECTION_NONE)
        key_line(p, trimmed(line.s, (size_t)(equals - line.s)),
                 trimmed(equals + 1, (size_t)(line.s + line.n - equals - 1)));
    else if (p->ok)
        REFUSE(p, line, "a key before any section: [agent], [push] or [match NAME]");
}

/* ---- the whole ---- */

static bool is_label(const char *s)
{
    const char *equals = strchr(s, '=');

    for (const char *p = s; equals && p < equals; p++)
        if (!is_word(*p))
            return false;
    return equals && equals > s && equals[1];
}

static void check(struct parser *p)
{
    struct agent_conf *c = p->conf;

    for (uint32_t i = 0; i < c->n_rules; i++) {
        const struct conf_rule *r = &c->rules[i];
        struct word at = {p->text + r->line, strlen(r->name)};
        bool asks = false;

        for (int f = 0; f < N_FACTS; f++)
            asks |= r->facts[f].n > 0;
        if (r->packs.n > CONF_PACKS_MAX)
            REFUSE(p, at, "[match %s]: more than %d packs; ngstap pack puts builds into one",
                   r->name, CONF_PACKS_MAX);
        if (!asks)
            REFUSE(p, at, "[match %s] asks for nothing: exe, comm, cgroup, container, label or pod",
                   r->name);
        if (r->frames && strcmp(r->frames, "all") && strcmp(r->frames, "lua") &&
            strcmp(r->frames, "c"))
            REFUSE(p, at, "[match %s]: frames are all, lua or c, not \"%s\"", r->name, r->frames);
        for (uint32_t j = 0; j < r->facts[FACT_LABEL].n; j++)
            if (!is_label(r->facts[FACT_LABEL].v[j]) && !strchr(r->facts[FACT_LABEL].v[j], '='))
                REFUSE(p, at, "[match %s]: label takes NAME=PATTERN, not \"%s\"", r->name,
                       r->facts[FACT_LABEL].v[j]);
    }
    for (uint32_t i = 0; i < c->n_labels; i++)
        if (!is_label(c->labels[i]))
            REFUSE(
                p, ((struct word){p->text, 0}),
                "[push]: label takes NAME=VALUE with a name of letters, digits and _, not \"%s\"",
                c->labels[i]);
    if (c->pyroscope && c->otlp)
        REFUSE(p, ((struct word){p->text, 0}), "[push]: pyroscope or otlp, not both");
    if (!c->n_rules && p->ok)
        REFUSE(p, ((struct word){p->text, 0}),
               "nothing to profile: a section [match NAME] says what, e.g. with exe = /usr/bin/*");
}

static struct agent_conf *parse(struct compile *cx, const struct source *src)
{
    struct parser p = {.cx = cx, .file = src->id, .text = src->text, .ok = true};

    p.conf = ARENA_NEW(cx->arena, struct agent_conf);
    *p.conf = (struct agent_conf){.spool = "/var/lib/ngstap/agent",
                                  .spool_bytes = 256 * KIB * KIB,
                                  .spool_files = 4096,
                                  .window = 60,
                                  .settle = 10,
                                  .scan = 5,
                                  .hz = 19,
                                  .cpu = 0.01,
                                  .memory = 1024 * KIB * KIB,
                                  .sessions = 64};
    for (uint32_t at = 0; at < src->len && !diag_stopped(cx->diag);) {
        const char *nl = memchr(src->text + at, '\n', src->len - at);
        size_t n = nl ? (size_t)(nl - src->text - at) : src->len - at;

        take_line(&p, src->text + at, n);
        at += (uint32_t)n + 1;
    }
    check(&p);
    return p.ok && !diag_errors(cx->diag) ? p.conf : NULL;
}

struct agent_conf *conf_read(struct compile *cx, const char *path)
{
    struct source *src = source_read(cx->sources, path);

    if (!src) {
        diag_error(cx->diag, (struct span){0}, "configuration", "cannot read %s: %s", path,
                   strerror(errno));
        return NULL;
    }
    return parse(cx, src);
}
