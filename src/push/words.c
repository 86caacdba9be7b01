/*
 * words: what is said beside a profile: labels and headers. Enters: options, the environment, names
 * of the target; leaves: the lists of a struct push. Refused: what would be more than a name and a
 * value where it goes.
 */
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clean.h"
#include "base/diag.h"
#include "push/push.h"

static const struct span nowhere;

/* A name that labels have everywhere: the conventions' have dots. */
static bool is_label_name(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_word(s[i]) && s[i] != '.')
            return false;
    return n && !(*s >= '0' && *s <= '9') && *s != '.';
}

static bool is_printable(const char *s)
{
    for (const unsigned char *p = (const unsigned char *)s; *p; p++)
        if (*p < ' ' || *p == 0x7f)
            return false;
    return true;
}

static struct out_label *find_label(const struct push *p, const char *name)
{
    for (uint32_t i = 0; i < p->n_labels; i++)
        if (!strcmp(p->labels[i].name, name))
            return &p->labels[i];
    return NULL;
}

const char *push_find_label(const struct push *p, const char *name)
{
    const struct out_label *l = find_label(p, name);

    return l ? l->value : NULL;
}

static void set_label(struct compile *cx, struct push *p, const struct out_label *label)
{
    struct out_label *l = find_label(p, label->name);

    if (!l) {
        p->labels = arena_grow(cx->arena, p->labels, p->n_labels, sizeof(*p->labels));
        l = &p->labels[p->n_labels++];
    }
    *l = *label;
}

bool push_label(struct compile *cx, struct push *p, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : 0;
    bool ok = n && is_label_name(text, n) && equals[1] && is_printable(equals + 1) &&
              !strpbrk(equals + 1, "{},=\"");

    if (!ok || p->n_labels == PUSH_LABELS_MAX) {
        diag_error(cx->diag, nowhere, "options",
                   ok ? "\"%s\" is one label too many" : "\"%s\" is no label", text);
        diag_hint(cx->diag,
                  "NAME=VALUE: a name of letters, digits, _ and dots, a value without "
                  "{}=,\"; %d at most",
                  PUSH_LABELS_MAX);
        return false;
    }
    size_t len;
    struct out_label l = {arena_strndup(cx->arena, text, n),
                          out_clean(cx->arena, equals + 1, strlen(equals + 1), &len), true};

    set_label(cx, p, &l);
    return true;
}

void push_default_label(struct compile *cx, struct push *p, const char *name, const char *value)
{
    char text[PUSH_LABEL_LEN + 1];

    if (!value || !*value || find_label(p, name) || p->n_labels == PUSH_LABELS_MAX)
        return;
    clean_text(value, strlen(value), text, sizeof(text));
    struct out_label l = {arena_strdup(cx->arena, name), arena_strdup(cx->arena, text), false};

    set_label(cx, p, &l);
}

bool push_header(struct compile *cx, struct push *p, const char *text)
{
    size_t n = strcspn(text, ":");
    bool ok = n && text[n] && is_printable(text);

    for (size_t i = 0; i < n; i++) /* a token of RFC 9110 */
        ok &= is_word(text[i]) || strchr("!#$%&'*+-.^`|~", text[i]);
    if (!ok) { /* not shown: it may be a secret */
        diag_error(cx->diag, nowhere, "options", "a header is no NAME: VALUE");
        diag_hint(cx->diag, "--header 'Authorization: Bearer TOKEN'; the environment's "
                            "OTEL_EXPORTER_OTLP_HEADERS has NAME=VALUE");
        return false;
    }
    p->headers = arena_grow(cx->arena, p->headers, p->n_headers, sizeof(*p->headers));
    p->headers[p->n_headers++] = text;
    return true;
}
