/*
 * receivers: the engines that profiles are sent to, a row each. Enters: a profile in the row's
 * format, labels, what the user wrote for an address; leaves: a request as the engine's API has it,
 * and its words out of an answer.
 *
 * pyroscope: "Server HTTP API", POST /ingest: a form with a pprof, name, labels and time in the
 * query; Grafana Alloy (pyroscope.receive_http) takes the same. otlp: OTLP/HTTP
 * (opentelemetry-proto 1.11.0, docs/specification.md), and "OpenTelemetry Protocol Exporter" for
 * the environment's variables.
 */
#include "push/receiver.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "out/protobuf.h"

static const struct span nowhere;

static void add_header(struct arena *a, struct http_request *r, const char *text)
{
    const char **v = (const char **)r->headers;

    v = arena_grow(a, v, r->n_headers, sizeof(*v));
    v[r->n_headers++] = text;
    r->headers = v;
}

static const char *without_slashes(struct arena *a, const char *url)
{
    size_t n = strlen(url);

    while (n && url[n - 1] == '/')
        n--;
    return arena_strndup(a, url, n);
}

/* ---- pyroscope ---- */

/* As a part of a URL. */
static const char *escaped(struct arena *a, const char *s)
{
    char *out = arena_alloc(a, 3 * strlen(s) + 1), *to = out;

    for (; *s; s++)
        if (is_word(*s) || *s == '.' || *s == '-')
            *to++ = *s;
        else
            to += sprintf(to, "%%%02X", (unsigned char)*s);
    *to = '\0';
    return out;
}

/* Those of "name{label=value,...}" end a value there. */
static const char *plain(struct arena *a, const char *s, bool is_name)
{
    char *out = arena_strdup(a, s);

    for (char *p = out; *p; p++)
        if (strchr("{},=\"", *p) || (is_name && !is_word(*p)))
            *p = '_';
    return out;
}

/* Each process that ever ran would be a series of its own. */
static bool is_series(const struct out_label *l)
{
    static const char *const not [] = {"service", "pid", "container_id", "executable"};

    for (size_t i = 0; i < sizeof(not ) / sizeof(*not ); i++)
        if (!strcmp(l->name, not [i]))
            return i && l->given;
    return true;
}

static const char *pyroscope_url(struct arena *a, const struct push *p, const struct out_info *i)
{
    static const char ingest[] = "/ingest";
    const char *base = without_slashes(a, p->url), *name = "ngstap", *labels = "";
    int64_t until = i->time + (int64_t)(i->seconds + 0.5);

    if (ends_with(base, ingest))
        base = arena_strndup(a, base, strlen(base) - (sizeof(ingest) - 1));
    for (uint32_t n = 0; n < p->n_labels; n++) {
        const struct out_label *l = &p->labels[n];

        if (!strcmp(l->name, "service"))
            name = plain(a, l->value, false);
        if (is_series(l))
            labels = arena_printf(a, "%s%s%s=%s", labels, *labels ? "," : "",
                                  plain(a, l->name, true), plain(a, l->value, false));
    }
    name = arena_printf(a, "%s{%s}", name, labels);
    return arena_printf(
        a, "%s%s?name=%s&from=%" PRId64 "&until=%" PRId64 "&format=pprof&spyName=ngstap", base,
        ingest, escaped(a, name), i->time, until > i->time ? until : i->time + 1);
}

/* RFC 7578; what ends the part must not occur in it, and is random. */
static void pyroscope_request(struct arena *a, const struct push *p, const struct out_info *i,
                              const void *body, size_t n, struct http_request *out)
{
    uint64_t random[2] = {0};

    if (getrandom(random, sizeof(random), 0) < 0)
        random[0] = (uint64_t)i->time; /* no worse than most */
    const char *boundary = arena_printf(a, "ngstap%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    const char *head = arena_printf(a,
                                    "--%s\r\nContent-Disposition: form-data; name=\"profile\"; "
                                    "filename=\"profile.pb.gz\"\r\n"
                                    "Content-Type: application/octet-stream\r\n\r\n",
                                    boundary);
    const char *tail = arena_printf(a, "\r\n--%s--\r\n", boundary);
    size_t before = strlen(head), after = strlen(tail);
    char *form = arena_alloc(a, before + n + after);

    memcpy(form, head, before);
    memcpy(form + before, body, n);
    memcpy(form + before + n, tail, after);
    out->url = pyroscope_url(a, p, i);
    out->body = form;
    out->n = before + n + after;
    add_header(a, out, arena_printf(a, "Content-Type: multipart/form-data; boundary=%s", boundary));
}

/* ---- otlp ---- */

#define OTLP_PATH "/v1development/profiles"

static const char *otlp_variable(struct arena *a, const char *what)
{
    const char *own = getenv(arena_printf(a, "OTEL_EXPORTER_OTLP_PROFILES_%s", what));

    own = own && *own ? own : getenv(arena_printf(a, "OTEL_EXPORTER_OTLP_%s", what));
    return own && *own ? own : NULL;
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

/* %XX in place. */
static void unescape(char *s)
{
    char *to = s;

    for (; *s; s++)
        if (*s == '%' && hex_digit(s[1]) >= 0 && hex_digit(s[2]) >= 0) {
            *to++ = (char)(hex_digit(s[1]) << 4 | hex_digit(s[2]));
            s += 2;
        } else {
            *to++ = *s;
        }
    *to = '\0';
}

/* "name=value,name=value", the values escaped as in URLs (W3C Baggage). */
static bool otlp_headers(struct compile *cx, struct push *p)
{
    const char *all = otlp_variable(cx->arena, "HEADERS");
    char *save = NULL;

    for (char *word = all ? strtok_r(arena_strdup(cx->arena, all), ",", &save) : NULL; word;
         word = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(word, '=');

        word += strspn(word, " ");
        if (!*word)
            continue;
        if (!equals) {
            diag_error(cx->diag, nowhere, "options",
                       "OTEL_EXPORTER_OTLP_HEADERS holds what is no NAME=VALUE");
            diag_hint(cx->diag, "NAME=VALUE,NAME=VALUE, with %%XX for what a URL would escape");
            return false;
        }
        *equals = '\0';
        unescape(equals + 1);
        if (!push_header(cx, p, arena_printf(cx->arena, "%s: %s", word, equals + 1)))
            return false;
    }
    return true;
}

static bool otlp_from_environment(struct compile *cx, struct push *p)
{
    if (!strcmp(p->url, "env")) {
        const char *own = getenv("OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT");
        const char *all = getenv("OTEL_EXPORTER_OTLP_ENDPOINT");

        if (own && *own) {
            p->url = own;
        } else if (all && *all) {
            p->url = arena_printf(cx->arena, "%s%s", without_slashes(cx->arena, all), OTLP_PATH);
        } else {
            diag_error(cx->diag, nowhere, "options",
                       "--otlp env: OTEL_EXPORTER_OTLP_ENDPOINT is not set");
            diag_hint(cx->diag, "--otlp URL names the collector: http://HOST:4318");
            return false;
        }
    }
    return otlp_headers(cx, p);
}

/* A URL without a path means the usual one. */
static const char *otlp_url(struct arena *a, const char *url)
{
    const char *host = strstr(url, "://");
    const char *path = host ? strpbrk(host + 3, "/?") : NULL;

    if (path && strcmp(path, "/") != 0)
        return url;
    return arena_printf(a, "%s%s", without_slashes(a, url), OTLP_PATH);
}

static void otlp_request(struct arena *a, const struct push *p, const struct out_info *i,
                         const void *body, size_t n, struct http_request *out)
{
    out->url = otlp_url(a, p->url);
    out->body = body;
    out->n = n;
    out->ca_file = otlp_variable(a, "CERTIFICATE");
    out->cert_file = otlp_variable(a, "CLIENT_CERTIFICATE");
    out->key_file = otlp_variable(a, "CLIENT_KEY");
    add_header(a, out, "Content-Type: application/x-protobuf");
    add_header(a, out, "Content-Encoding: gzip");
}

/* google.rpc.Status of a failure has its message in field 2; ExportProfilesServiceResponse has
 * partial_success in field 1: how many were rejected, and why. */
enum { STATUS_MESSAGE = 2, RESPONSE_PARTIAL = 1, PARTIAL_REJECTED = 1, PARTIAL_MESSAGE = 2 };

static const char *otlp_words(struct arena *a, const char *text, size_t n, bool *refused)
{
    const unsigned char *bytes = (const unsigned char *)text;
    struct pb_reader r = {bytes, bytes + n, false};
    const char *words = NULL;
    struct pb_field f, in;

    *refused = false;
    while (pb_next(&r, &f)) {
        if (f.type == PB_BYTES && f.number == STATUS_MESSAGE)
            words = arena_strndup(a, (const char *)f.bytes.at, (size_t)(f.bytes.end - f.bytes.at));
        if (f.type != PB_BYTES || f.number != RESPONSE_PARTIAL)
            continue;
        while (pb_next(&f.bytes, &in))
            if (in.type == PB_VARINT && in.number == PARTIAL_REJECTED)
                *refused = in.value != 0;
            else if (in.type == PB_BYTES && in.number == PARTIAL_MESSAGE)
                words = arena_strndup(a, (const char *)in.bytes.at,
                                      (size_t)(in.bytes.end - in.bytes.at));
    }
    return r.bad && !*refused ? NULL : words;
}

/* ---- the table ---- */

static const struct push_receiver rows[] = {
    {"pyroscope", "pprof", "is it Pyroscope's or Alloy's address, as http://HOST:4040?", NULL,
     pyroscope_request, NULL},
    {"otlp", "otlp",
     "is it a collector's OTLP/HTTP address, as http://HOST:4318, and does it take profiles "
     "(--feature-gates=service.profilesSupport)?",
     otlp_from_environment, otlp_request, otlp_words},
};

const struct push_receiver *push_receiver(const char *name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (!strcmp(rows[i].name, name))
            return &rows[i];
    return NULL;
}

const struct out_format *push_format(const struct push *p)
{
    return out_format(p->receiver->format);
}
