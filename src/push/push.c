/*
 * push: sends profiles, see push.h. Enters: a profile, labels, an address; leaves: the receiver's
 * answer. Refused: addresses that are not of the web.
 */
#include "push/push.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"
#include "push/receiver.h"

static const struct span nowhere;

enum { SECONDS = 60, TRIES = 5, PATIENCE = 30 /* seconds */ };

/* ---- what is configured ---- */

bool push_to(struct compile *cx, struct push *p, const char *receiver, const char *url)
{
    p->receiver = push_receiver(receiver);
    p->url = url;
    if (!p->receiver)
        return diag_error(cx->diag, nowhere, "options", "there is no receiver %s", receiver);
    if (p->receiver->from_environment && !p->receiver->from_environment(cx, p))
        return false;
    if (!strncasecmp(p->url, "http://", 7) || !strncasecmp(p->url, "https://", 8))
        return true;
    diag_error(cx->diag, nowhere, "options", "\"%s\" is no address of the web", p->url);
    diag_hint(cx->diag, "http://HOST:PORT or https://HOST");
    return false;
}

/* ---- a try ---- */

/* What the receiver says, as one clean line. */
static const char *line_of(struct arena *a, const char *text, size_t n)
{
    char *flat = arena_strndup(a, text, n);
    size_t len;

    while (n && strchr("\r\n \t", flat[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++)
        if (flat[i] == '\n' || flat[i] == '\r' || flat[i] == '\t')
            flat[i] = ' ';
    return out_clean(a, flat, n, &len);
}

/* OTLP's "Retryable Response Codes"; that nothing came may be the same. */
static bool is_passing(unsigned status)
{
    return !status || status == 429 || (status >= 502 && status <= 504);
}

void push_live(struct compile *cx, const struct push *p, const struct out_info *i, const void *body,
               size_t n, struct push_answer *out)
{
    struct http_request r = {.seconds = SECONDS};
    struct arena *a = cx->arena;
    struct http_answer got;
    bool refused = false;

    p->receiver->make_request(a, p, i, body, n, &r);
    const char **headers = ARENA_ARRAY(a, const char *, r.n_headers + p->n_headers);

    if (r.n_headers)
        memcpy(headers, r.headers, r.n_headers * sizeof(*headers));
    if (p->n_headers)
        memcpy(headers + r.n_headers, p->headers, p->n_headers * sizeof(*headers));
    r.headers = headers;
    r.n_headers += p->n_headers;
    http_post(&r, &got);

    bool success = got.status >= 200 && got.status < 300;
    const char *words =
        got.status && p->receiver->words ? p->receiver->words(a, got.text, got.n, &refused) : NULL;

    *out = (struct push_answer){.status = got.status, .text = ""};
    out->wait = (double)(got.wait > PUSH_WAIT_MAX ? PUSH_WAIT_MAX : got.wait < 0 ? 0 : got.wait);
    if (words)
        out->text = line_of(a, words, strlen(words));
    else if (!success)
        out->text = line_of(a, got.text, got.n);
    out->outcome = success && !refused      ? PUSH_TAKEN
                   : is_passing(got.status) ? PUSH_LATER
                                            : PUSH_REFUSED;
}

/* ---- tries ---- */

/* "https://HOST/..": without the password that may stand before HOST. */
static const char *shown(struct arena *a, const char *url)
{
    const char *host = strstr(url, "://") + 3;
    const char *at = memrchr(host, '@', strcspn(host, "/?"));

    return at ? arena_printf(a, "%.*s%s", (int)(host - url), url, at + 1) : url;
}

static const char *answer_text(struct arena *a, const struct push_answer *answer)
{
    const char *text = *answer->text ? answer->text : "it does not say why";

    return answer->status ? arena_printf(a, "HTTP %u, %s", answer->status, text) : text;
}

/* What may be done about it. */
static const char *hint_of(struct arena *a, const struct push *p, const struct push_answer *answer)
{
    if (answer->status == 401 || answer->status == 403)
        return "it wants to know who sends: --header 'Authorization: Bearer TOKEN', or ~/.netrc";
    if (!answer->status && strstr(answer->text, "certificate"))
        return "certificates that are believed are the system's, or those in a file: "
               "OTEL_EXPORTER_OTLP_CERTIFICATE or SSL_CERT_FILE name it";
    if (answer->outcome == PUSH_LATER && answer->wait > 0)
        return arena_printf(a, "it asks to wait for %.0f s", answer->wait);
    if (answer->outcome == PUSH_LATER && answer->status)
        return "it is busy: what -o FILE keeps, \"ngstap push FILE\" sends later";
    return p->receiver->hint;
}

/* False after reporting: it is not taken. */
static bool report(struct compile *cx, const struct push *p, const char *name,
                   const struct push_answer *answer)
{
    const char *url = shown(cx->arena, p->url);

    if (answer->outcome == PUSH_TAKEN) {
        if (*answer->text)
            diag_warning(cx->diag, nowhere, "%s says: %s", url, answer->text);
        return true;
    }
    if (answer->outcome == PUSH_REFUSED && !answer->status)
        return diag_error(cx->diag, nowhere, "push", "%s is not sent: %s", name, answer->text);
    diag_error(cx->diag, nowhere, "push", "%s has not taken %s: %s", url, name,
               answer_text(cx->arena, answer));
    diag_hint(cx->diag, "%s", hint_of(cx->arena, p, answer));
    return false;
}

static void sleep_seconds(double s)
{
    struct timespec t = {(time_t)s, (long)((s - floor(s)) * 1e9)};

    nanosleep(&t, NULL); /* a signal ends it, and the next try is the last */
}

bool push_patiently(struct compile *cx, const struct push *p, const char *name,
                    void (*try)(void *arg, struct push_answer *out), void *arg)
{
    double begun = (double)clock_ms(CLOCK_MONOTONIC) / 1e3, wait = 1;
    struct push_answer answer;
    int tries = 0;

    for (;; wait *= 2) {
        try(arg, &answer);
        tries++;
        double now = (double)clock_ms(CLOCK_MONOTONIC) / 1e3;
        double next = answer.wait > 0 ? answer.wait : wait;

        /* who is not there at all need not be asked again by one who sits and waits */
        if (answer.outcome != PUSH_LATER || !answer.status || tries == TRIES ||
            now + next > begun + PATIENCE)
            break;
        fprintf(cx->err, "%s is busy (HTTP %u): again in %.0f s\n", shown(cx->arena, p->url),
                answer.status, next);
        sleep_seconds(next);
    }
    return report(cx, p, name, &answer);
}
