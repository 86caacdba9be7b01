/*
 * layout_nginx: is a layout of nginx's types that of a live nginx? Enters: a process, one layout;
 * leaves: yes, or what in the process contradicts it. Read is what nginx's start leaves and no
 * request changes: arrays that say their elements' size, pointers that lead back, names that are
 * text. What only requests have (ngx_http_request_t, ngx_http_upstream_t) is tried on those that
 * are there. Nothing is believed: each address may lead anywhere.
 */
#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "debug/layout.h"
#include "debug/layout_nginx.h"

enum {
    MODULES_MAX = 4096, /* ngx_max_module is those linked and 128 */
    CONNECTIONS_MAX = 1 << 24,
    LOOKED_AT = 16384, /* connections in which requests are looked for, */
    TRIES = 5,
    SWEEPS = 8,           /* ... each so often */
    REQUESTS = 8,         /* requests that are looked at */
    LENGTH_MAX = 1 << 20, /* of a request line: buffers are smaller */
    TEXT_MAX = 4096,
    NAME_MAX_LEN = 128, /* of a module */
};

#define REQUEST_SIGNATURE 0x50545448 /* "HTTP", of ngx_http_request_t */
#define UNSET_FD          0xffffffff

/* ---- reading ---- */

static bool layout_read(const struct layout_trial *t, uint64_t at, void *out, size_t n)
{
    return pread(t->mem, out, n, (off_t)at) == (ssize_t)n;
}

/* Where the variable NAME lies in the process. */
static bool layout_symbol(const struct layout_trial *t, const char *name, uint64_t *out)
{
    for (uint32_t i = 0; i < t->n_modules; i++) {
        const struct elf_symbols *s = dbg_symbols(t->modules[i].m);

        for (uint32_t k = 0; k < s->n; k++) {
            if (!s->v[k].is_func && !strcmp(s->v[k].name, name)) {
                *out = s->v[k].vaddr + t->modules[i].bias;
                return true;
            }
        }
    }
    return false;
}

/* PATH: "a.b", or "-" for the type itself. The first file that has the TYPE whole is asked. */
static bool find(const struct layout_trial *t, const char *type, const char *path,
                 struct layout_place *out)
{
    for (uint32_t i = 0; i < t->n_types; i++) {
        const struct layout_types *in = &t->types[i];
        const struct ctype *known = in->m ? dbg_type(in->m, type) : NULL;

        if (known && ctype_size(known))
            return layout_place_of(known, path, out);
        if (in->list && layout_place(in->list, type, "-", out) && out->size)
            return layout_place(in->list, type, path, out);
    }
    return false;
}

static uint64_t layout_size(const struct layout_trial *t, const char *type)
{
    struct layout_place found;

    return find(t, type, "-", &found) ? found.size : 0;
}

static bool layout_member(const struct layout_trial *t, const char *type, const char *path,
                          uint64_t *offset, uint64_t *size)
{
    struct layout_place found;

    if (!find(t, type, path, &found) || found.bit_size)
        return false;
    *offset = found.offset;
    *size = found.size;
    return true;
}

/* The member PATH ("a.b") of the TYPE at BASE. False: the layout has none, or it is not there. */
static bool get(const struct layout_trial *t, uint64_t base, const char *type, const char *path,
                uint64_t *out)
{
    uint64_t offset, size;

    *out = 0;
    return layout_member(t, type, path, &offset, &size) && size <= sizeof(*out) &&
           layout_read(t, base + offset, out, size);
}

/* The address of the member, where it lies. */
static bool place(const struct layout_trial *t, uint64_t base, const char *type, const char *path,
                  uint64_t *out)
{
    uint64_t offset, size;

    if (!layout_member(t, type, path, &offset, &size))
        return false;
    *out = base + offset;
    return true;
}

static bool read_pointer(const struct layout_trial *t, uint64_t at, uint64_t *out)
{
    return layout_read(t, at, out, sizeof(*out));
}

/* Are LEN bytes at AT printable text? */
static bool is_text(const struct layout_trial *t, uint64_t at, uint64_t len)
{
    char buf[TEXT_MAX];

    if (len >= sizeof(buf) || !layout_read(t, at, buf, len))
        return false;
    for (uint64_t i = 0; i < len; i++)
        if (!isprint((unsigned char)buf[i]))
            return false;
    return true;
}

/* Is the ngx_str_t at BASE one, of at least MIN bytes? */
static bool is_str(const struct layout_trial *t, uint64_t base, uint64_t min)
{
    uint64_t len, data;

    return get(t, base, "ngx_str_t", "len", &len) && get(t, base, "ngx_str_t", "data", &data) &&
           len >= min && (!len || is_text(t, data, len));
}

/* ---- modules ---- */

/* Is the string at AT printable, and ended soon? */
static bool is_name(const struct layout_trial *t, uint64_t at)
{
    char buf[NAME_MAX_LEN];
    ssize_t n = pread(t->mem, buf, sizeof(buf), (off_t)at);

    for (ssize_t i = 0; i < n; i++) {
        if (!buf[i])
            return i > 0;
        if (!isprint((unsigned char)buf[i]))
            return false;
    }
    return false;
}

/* ---- what a start leaves ---- */

/* Each of the cycle's modules has the version and the options of the core's. */
static bool fit_modules(const struct layout_trial *t, uint64_t cycle)
{
    uint64_t modules, n, module, version, want = 0, index, name, signature;

    if (!get(t, cycle, "ngx_cycle_t", "modules", &modules) ||
        !get(t, cycle, "ngx_cycle_t", "modules_n", &n) || n < 3 || n > MODULES_MAX)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        if (!read_pointer(t, modules + i * 8, &module) ||
            !get(t, module, "ngx_module_t", "version", &version) ||
            !get(t, module, "ngx_module_t", "index", &index) || index >= MODULES_MAX ||
            !get(t, module, "ngx_module_t", "name", &name) || !is_name(t, name) ||
            !get(t, module, "ngx_module_t", "signature", &signature) || !is_name(t, signature))
            return false;
        if (!i)
            want = version;
        if (version != want || version < 1000000 || version > 9999999)
            return false;
    }
    return read_pointer(t, modules + n * 8, &module) && !module;
}

/* The cycle lies in its pool, and both have the cycle's own log. */
static bool fit_pool(const struct layout_trial *t, uint64_t cycle)
{
    uint64_t pool, last, end, log, pool_log, new_log;

    return get(t, cycle, "ngx_cycle_t", "pool", &pool) &&
           get(t, pool, "ngx_pool_t", "d.last", &last) &&
           get(t, pool, "ngx_pool_t", "d.end", &end) && pool < last && last <= end &&
           cycle > pool && cycle < end && get(t, pool, "ngx_pool_t", "log", &pool_log) &&
           get(t, cycle, "ngx_cycle_t", "log", &log) &&
           place(t, cycle, "ngx_cycle_t", "new_log", &new_log) && log == new_log &&
           pool_log == new_log;
}

/* The arrays and lists of the cycle say how large their elements are. */
static bool fit_sizes(const struct layout_trial *t, uint64_t cycle)
{
    static const struct {
        const char *member, *type;
    } of[] = {{"listening.size", "ngx_listening_t"},
              {"open_files.size", "ngx_open_file_t"},
              {"shared_memory.size", "ngx_shm_zone_t"}};
    uint64_t size;

    for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++)
        if (!get(t, cycle, "ngx_cycle_t", of[i].member, &size) ||
            size != layout_size(t, of[i].type))
            return false;
    return true;
}

static bool fit_texts(const struct layout_trial *t, uint64_t cycle)
{
    static const char *const of[] = {"hostname", "conf_file", "conf_prefix", "prefix"};
    uint64_t at;

    for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++)
        if (!place(t, cycle, "ngx_cycle_t", of[i], &at) || !is_str(t, at, 1))
            return false;
    return true;
}

/* The zones of the first part of the list; each begins with its slab pool. */
static bool fit_zones(const struct layout_trial *t, uint64_t cycle)
{
    uint64_t elts, n, name, addr, size, start, end;

    if (!get(t, cycle, "ngx_cycle_t", "shared_memory.part.elts", &elts) ||
        !get(t, cycle, "ngx_cycle_t", "shared_memory.part.nelts", &n) || n > MODULES_MAX)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t zone = elts + i * layout_size(t, "ngx_shm_zone_t");

        if (!place(t, zone, "ngx_shm_zone_t", "shm.name", &name) || !is_str(t, name, 1) ||
            !get(t, zone, "ngx_shm_zone_t", "shm.addr", &addr) ||
            !get(t, zone, "ngx_shm_zone_t", "shm.size", &size) ||
            !get(t, addr, "ngx_slab_pool_t", "addr", &start) || start != addr ||
            !get(t, addr, "ngx_slab_pool_t", "end", &end) || end != addr + size)
            return false;
    }
    return true;
}

/* ---- connections ---- */

struct connections {
    uint64_t first, n, listening, n_listening, size;
};

static bool get_connections(const struct layout_trial *t, uint64_t cycle, struct connections *c)
{
    c->size = layout_size(t, "ngx_connection_t");
    return c->size && get(t, cycle, "ngx_cycle_t", "connections", &c->first) &&
           get(t, cycle, "ngx_cycle_t", "connection_n", &c->n) && c->n && c->n <= CONNECTIONS_MAX &&
           get(t, cycle, "ngx_cycle_t", "listening.elts", &c->listening) &&
           get(t, cycle, "ngx_cycle_t", "listening.nelts", &c->n_listening);
}

/* One that is in use: its events know it, it came by one of the listening sockets or by none. */
static bool fit_used(const struct layout_trial *t, const struct connections *c, uint64_t at)
{
    uint64_t read, write, data, listening, size = layout_size(t, "ngx_listening_t");

    return get(t, at, "ngx_connection_t", "read", &read) &&
           get(t, read, "ngx_event_t", "data", &data) && data == at &&
           get(t, at, "ngx_connection_t", "write", &write) &&
           get(t, write, "ngx_event_t", "data", &data) && data == at &&
           get(t, at, "ngx_connection_t", "listening", &listening) &&
           (!listening || !size || listening - c->listening >= c->n_listening * size ||
            (listening - c->listening) % size == 0);
}

/* The bit NAME of the connection AT. */
static bool bit(const struct layout_trial *t, uint64_t at, const char *name, bool *out)
{
    struct layout_place m;
    uint64_t bits = 0;

    if (!find(t, "ngx_connection_t", name, &m) || m.bit_size != 1 || m.bit_off > 63 ||
        !layout_read(t, at + m.offset, &bits, 1 + m.bit_off / 8))
        return false;
    *out = bits >> m.bit_off & 1;
    return true;
}

/* Connections in the queue of those that may be closed say so. Layouts that differ by a bit here
 * are told apart by nothing else: one connection that says otherwise may be damaged, two not. */
static bool fit_reusable(const struct layout_trial *t, uint64_t cycle, const struct connections *c)
{
    uint64_t head, at, offset, size;
    bool reusable, closed;
    uint32_t misfits = 0;

    if (!place(t, cycle, "ngx_cycle_t", "reusable_connections_queue", &head) ||
        !layout_member(t, "ngx_connection_t", "queue", &offset, &size) ||
        !get(t, head, "ngx_queue_t", "next", &at))
        return false;
    for (uint32_t i = 0; at != head && i < 16; i++) {
        uint64_t connection = at - offset;

        if (connection - c->first >= c->n * c->size || (connection - c->first) % c->size ||
            !bit(t, connection, "reusable", &reusable) || !bit(t, connection, "close", &closed) ||
            !get(t, at, "ngx_queue_t", "next", &at))
            return false;
        misfits += !reusable || closed;
    }
    return misfits < 2;
}

/* The Kth connection has the Kth event of each kind. A master has none. */
static bool fit_connections(const struct layout_trial *t, uint64_t cycle)
{
    uint64_t reads, writes, read, write, fd, step = layout_size(t, "ngx_event_t");
    struct connections c;

    if (!get_connections(t, cycle, &c) || !get(t, cycle, "ngx_cycle_t", "read_events", &reads) ||
        !get(t, cycle, "ngx_cycle_t", "write_events", &writes))
        return false;
    for (uint64_t i = 0; c.first && i < c.n; i += i < 16 || c.n - i < 17 ? 1 : c.n / 16) {
        uint64_t at = c.first + i * c.size;

        if (!get(t, at, "ngx_connection_t", "read", &read) || read != reads + i * step ||
            !get(t, at, "ngx_connection_t", "write", &write) || write != writes + i * step ||
            !get(t, at, "ngx_connection_t", "fd", &fd) || (fd != UNSET_FD && !fit_used(t, &c, at)))
            return false;
    }
    return !c.first || fit_reusable(t, cycle, &c);
}

static bool get_cycle(const struct layout_trial *t, uint64_t *cycle)
{
    uint64_t at;

    return layout_symbol(t, "ngx_cycle", &at) && read_pointer(t, at, cycle) && *cycle;
}

static enum layout_fit nginx_core(const struct layout_trial *t, const char **why)
{
    static const struct {
        bool (*fits)(const struct layout_trial *t, uint64_t cycle);
        const char *what;
    } steps[] = {
        {fit_modules, "modules of ngx_cycle"},         {fit_pool, "pool and log of ngx_cycle"},
        {fit_sizes, "sizes of ngx_cycle's arrays"},    {fit_texts, "texts of ngx_cycle"},
        {fit_connections, "connections of ngx_cycle"}, {fit_zones, "shared memory of ngx_cycle"},
    };
    uint64_t cycle;

    *why = "there is no ngx_cycle";
    if (!get_cycle(t, &cycle))
        return LAYOUT_UNTRIED;
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        bool fits = false;

        /* The process runs: what does not fit may have changed meanwhile. */
        for (int k = 0; k < TRIES && !fits; k++)
            fits = steps[i].fits(t, cycle);
        *why = steps[i].what;
        if (!fits)
            return LAYOUT_REFUTED;
    }
    return LAYOUT_PROVED;
}

/* ---- requests ---- */

static bool fit_buffer(const struct layout_trial *t, uint64_t at)
{
    uint64_t start, pos, last, end;

    return get(t, at, "ngx_buf_t", "start", &start) && get(t, at, "ngx_buf_t", "pos", &pos) &&
           get(t, at, "ngx_buf_t", "last", &last) && get(t, at, "ngx_buf_t", "end", &end) &&
           start <= pos && pos <= last && last <= end;
}

static bool fit_pool_of(const struct layout_trial *t, uint64_t r)
{
    uint64_t pool, last, end;

    return get(t, r, "ngx_http_request_t", "pool", &pool) &&
           get(t, pool, "ngx_pool_t", "d.last", &last) &&
           get(t, pool, "ngx_pool_t", "d.end", &end) && pool < last && last <= end;
}

/* The client's connection leads back to the request, or to another one of the same client. */
static bool fit_client(const struct layout_trial *t, const struct connections *c, uint64_t r)
{
    uint64_t connection, main, other, value;

    return get(t, r, "ngx_http_request_t", "connection", &connection) &&
           get(t, r, "ngx_http_request_t", "main", &main) &&
           get(t, main, "ngx_http_request_t", "connection", &value) && value == connection &&
           get(t, main, "ngx_http_request_t", "main", &value) && value == main &&
           (connection - c->first >= c->n * c->size || (connection - c->first) % c->size == 0) &&
           get(t, connection, "ngx_connection_t", "data", &other) &&
           get(t, other, "ngx_http_request_t", "main", &value) && value == main;
}

/* Lists say how large their elements are. */
static bool fit_lists(const struct layout_trial *t, uint64_t r)
{
    uint64_t value, element = layout_size(t, "ngx_table_elt_t");

    return get(t, r, "ngx_http_request_t", "headers_out.headers.size", &value) &&
           value == element && get(t, r, "ngx_http_request_t", "headers_in.headers.size", &value) &&
           (value == element || !value);
}

static enum layout_fit fit_request(const struct layout_trial *t, const struct connections *c,
                                   uint64_t r)
{
    uint64_t value;
    bool fits = fit_client(t, c, r) && fit_pool_of(t, r) && fit_lists(t, r) &&
                get(t, r, "ngx_http_request_t", "header_in", &value) && fit_buffer(t, value) &&
                get(t, r, "ngx_http_request_t", "start_msec", &value) && value < 1000 &&
                get(t, r, "ngx_http_request_t", "uri.len", &value) && value < LENGTH_MAX &&
                get(t, r, "ngx_http_request_t", "request_line.len", &value) && value < LENGTH_MAX &&
                place(t, r, "ngx_http_request_t", "http_protocol", &value) && is_str(t, value, 0);

    return fits ? LAYOUT_PROVED : LAYOUT_REFUTED;
}

/*
 * Tries T on the requests that are there. The process runs on, and ends them meanwhile: one that
 * fits is enough, since FITS asks for what no other layout has; several must have been there until
 * none is.
 */
static enum layout_fit on_requests(const struct layout_trial *t,
                                   enum layout_fit (*fits)(const struct layout_trial *t,
                                                           const struct connections *c, uint64_t r))
{
    uint64_t cycle, r, fd_at, data_at, signature_at, size;
    uint32_t fd, signature, misfits = 0;
    struct connections c;

    if (!get_cycle(t, &cycle) || !get_connections(t, cycle, &c) || !c.first ||
        !layout_member(t, "ngx_connection_t", "fd", &fd_at, &size) ||
        !layout_member(t, "ngx_connection_t", "data", &data_at, &size) ||
        !layout_member(t, "ngx_http_request_t", "signature", &signature_at, &size))
        return LAYOUT_UNTRIED;
    for (uint64_t i = 0; i < SWEEPS * c.n && i < LOOKED_AT && misfits < REQUESTS; i++) {
        uint64_t at = c.first + i % c.n * c.size;

        if (!layout_read(t, at + fd_at, &fd, sizeof(fd)) || fd == UNSET_FD ||
            !layout_read(t, at + data_at, &r, sizeof(r)) || !r ||
            !layout_read(t, r + signature_at, &signature, sizeof(signature)) ||
            signature != REQUEST_SIGNATURE)
            continue;
        enum layout_fit fit = fits(t, &c, r);

        if (fit == LAYOUT_PROVED)
            return fit;
        misfits += fit == LAYOUT_REFUTED;
    }
    return misfits < REQUESTS ? LAYOUT_UNTRIED : LAYOUT_REFUTED;
}

static enum layout_fit nginx_http(const struct layout_trial *t, const char **why)
{
    *why = "requests (ngx_http_request_t)";
    return on_requests(t, fit_request);
}

/* An upstream knows its request's pool; a request, what its upstreams have answered. */
static enum layout_fit fit_upstream(const struct layout_trial *t, const struct connections *c,
                                    uint64_t r)
{
    static const char type[] = "ngx_http_upstream_t";
    uint64_t u, pool, states, value, writer, first, n;
    uint64_t size = layout_size(t, "ngx_http_upstream_state_t");

    if (!get(t, r, "ngx_http_request_t", "upstream", &u) || !u ||
        !get(t, r, "ngx_http_request_t", "upstream_states", &states) || !states ||
        !get(t, u, type, "peer.connection", &value) || !value)
        return LAYOUT_UNTRIED;
    bool fits = get(t, states, "ngx_array_t", "size", &value) && value == size &&
                get(t, states, "ngx_array_t", "elts", &first) &&
                get(t, states, "ngx_array_t", "nelts", &n) && n < LENGTH_MAX &&
                get(t, u, type, "state", &value) && value - first < n * size &&
                (value - first) % size == 0 && get(t, r, "ngx_http_request_t", "pool", &pool) &&
                get(t, u, type, "output.pool", &value) && value == pool &&
                place(t, u, type, "writer", &writer) &&
                get(t, u, type, "output.filter_ctx", &value) && value == writer &&
                get(t, u, type, "writer.pool", &value) && value == pool &&
                place(t, u, type, "schema", &value) && is_str(t, value, 1) &&
                get(t, u, type, "peer.connection", &value) && value - c->first < c->n * c->size;

    return fits ? LAYOUT_PROVED : LAYOUT_REFUTED;
}

/* Its peer is a type of the core's, which is proved without a request. */
static bool fit_peer(const struct layout_trial *t)
{
    uint64_t offset, size;

    return layout_member(t, "ngx_http_upstream_t", "peer", &offset, &size) &&
           size == layout_size(t, "ngx_peer_connection_t");
}

static enum layout_fit nginx_upstream(const struct layout_trial *t, const char **why)
{
    *why = "the core's ngx_peer_connection_t";
    if (!fit_peer(t))
        return LAYOUT_REFUTED;
    *why = "upstreams (ngx_http_upstream_t)";
    return on_requests(t, fit_upstream);
}

/* ---- ngx_lua ---- */

/* Is L a lua_State, as far as all LuaJITs have it: its global_State names it as the main thread? */
static bool is_main_thread(const struct layout_trial *t, uint64_t L)
{
    uint64_t g64, word64;
    uint32_t g32, word32;

    if (!layout_read(t, L + 16, &g64, 8) || !layout_read(t, L + 8, &g32, 4))
        return false;
    for (uint64_t i = 0; i < 1024; i += 4) {
        if (layout_read(t, g64 + i, &word64, 8) && word64 == L)
            return true;
        if (L <= UINT32_MAX && layout_read(t, g32 + i, &word32, 4) && word32 == L)
            return true;
    }
    return false;
}

/* Sources are there as far as they are long. */
static bool is_source(const struct layout_trial *t, uint64_t base)
{
    uint64_t len, data;
    char last;

    return get(t, base, "ngx_str_t", "len", &len) && get(t, base, "ngx_str_t", "data", &data) &&
           len < LENGTH_MAX && (!len || layout_read(t, data + len - 1, &last, 1));
}

/* Numbers that are small, or not set yet (NGX_CONF_UNSET); arrays of pointers; queues that lead
 * back. What a version lacks is left out. */
static bool fit_main_conf(const struct layout_trial *t, uint64_t conf, const char *type)
{
    static const char *const small[] = {"max_pending_timers",
                                        "pending_timers",
                                        "max_running_timers",
                                        "running_timers",
                                        "lua_thread_cache_max_entries",
                                        "regex_cache_entries",
                                        "regex_cache_max_entries",
                                        "postponed_to_rewrite_phase_end",
                                        "postponed_to_access_phase_end",
                                        "directive_line",
                                        "host_var_index",
                                        "set_sa_restart",
                                        "builtin_headers_out.size"};
    static const char *const arrays[] = {"shm_zones", "shdict_zones"};
    static const char *const sources[] = {"lua_path", "lua_cpath", "init_src", "init_worker_src",
                                          "exit_worker_src"};
    static const char *const queues[] = {"free_lua_threads", "cached_lua_threads"};
    uint64_t value, at, next;

    for (size_t i = 0; i < sizeof(small) / sizeof(*small); i++)
        if (get(t, conf, type, small[i], &value) && value + 1 > LENGTH_MAX)
            return false;
    for (size_t i = 0; i < sizeof(arrays) / sizeof(*arrays); i++)
        if (get(t, conf, type, arrays[i], &at) && at &&
            (!get(t, at, "ngx_array_t", "size", &value) || value != 8))
            return false;
    for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++)
        if (place(t, conf, type, sources[i], &at) && !is_source(t, at))
            return false;
    for (size_t i = 0; i < sizeof(queues) / sizeof(*queues); i++)
        if (place(t, conf, type, queues[i], &at) &&
            (!get(t, at, "ngx_queue_t", "next", &next) ||
             !get(t, next, "ngx_queue_t", "prev", &value) || value != at))
            return false;
    return true;
}

/* The main configuration of MODULE, of the kind CTX (http, stream), leads back to the cycle. */
static enum layout_fit fit_lua(const struct layout_trial *t, const char *module, const char *kind,
                               const char *ctx, const char *type, const char **why)
{
    uint64_t cycle, at, index, conf, value, pool;

    *why = "there is no ngx_cycle, or no configuration with Lua";
    if (!get_cycle(t, &cycle) || !layout_symbol(t, kind, &at) ||
        !get(t, at, "ngx_module_t", "index", &index) ||
        !get(t, cycle, "ngx_cycle_t", "conf_ctx", &conf) || index >= MODULES_MAX ||
        !read_pointer(t, conf + 8 * index, &conf) || !conf ||
        !get(t, conf, ctx, "main_conf", &conf) || !layout_symbol(t, module, &at) ||
        !get(t, at, "ngx_module_t", "ctx_index", &index) || index >= MODULES_MAX ||
        !read_pointer(t, conf + 8 * index, &conf) || !conf)
        return LAYOUT_UNTRIED;
    *why = type;
    if (!get(t, conf, type, "cycle", &value) || value != cycle ||
        !get(t, cycle, "ngx_cycle_t", "pool", &pool) || !get(t, conf, type, "pool", &value) ||
        value != pool || !get(t, conf, type, "lua", &value) ||
        (value && !is_main_thread(t, value)) || !fit_main_conf(t, conf, type))
        return LAYOUT_REFUTED;
    return LAYOUT_PROVED;
}

static enum layout_fit http_lua(const struct layout_trial *t, const char **why)
{
    return fit_lua(t, "ngx_http_lua_module", "ngx_http_module", "ngx_http_conf_ctx_t",
                   "ngx_http_lua_main_conf_t", why);
}

static enum layout_fit stream_lua(const struct layout_trial *t, const char **why)
{
    return fit_lua(t, "ngx_stream_lua_module", "ngx_stream_module", "ngx_stream_conf_ctx_t",
                   "ngx_stream_lua_main_conf_t", why);
}

enum layout_fit layout_nginx_fits(const struct layout_trial *t, enum nginx_part part,
                                  const char **why)
{
    static enum layout_fit (*const parts[])(const struct layout_trial *t, const char **why) = {
        nginx_core, nginx_http, nginx_upstream, http_lua, stream_lua};

    return parts[part](t, why);
}
