/*
 * helpers: what the code of user-space handlers calls (abi.h, NGS_HELPERS), one function a row.
 * Enters: registers holding addresses of the vm and numbers, none of them trusted; leaves: the
 * effect and r0, or an error in the frame (for the script), or vm->fault (for code that could not
 * have come from cg).
 */
#include "run/helpers.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

enum { PAGE = 4096 };

/* ---- strings ---- */

static uint64_t h_str_copy(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    struct str s;

    if (dst && run_str(r, a[1], &s))
        run_put(r, dst, s.p, s.len);
    return 0;
}

static uint64_t h_str_append(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    struct str s;

    if (dst && run_str(r, a[1], &s))
        run_append(r, dst, s.p, s.len);
    return 0;
}

static uint64_t h_str_format(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    struct text t = TEXT_NEW;

    if (!dst)
        return 0;
    format_number(&t, conv_of_spec(a[2]), (int64_t)a[1]);
    run_append(r, dst, text_c(&t), t.len);
    text_free(&t);
    return 0;
}

static uint64_t h_str_format_str(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    struct text t = TEXT_NEW;
    struct str s;

    if (!dst || !run_str(r, a[1], &s))
        return 0;
    format_bytes(&t, conv_of_spec(a[2]), s.p, s.len);
    run_append(r, dst, text_c(&t), t.len);
    text_free(&t);
    return 0;
}

static uint64_t h_str_compare(struct run *r, const uint64_t *a)
{
    struct str x, y;
    struct text tx = TEXT_NEW, ty = TEXT_NEW;
    int c;

    if (!run_str(r, a[0], &x) || !run_str(r, a[1], &y))
        return 0;
    if (memchr(x.p, NGS_MARK, x.len) || memchr(y.p, NGS_MARK, y.len)) {
        run_expand(r, x.p, x.len, &tx);
        run_expand(r, y.p, y.len, &ty);
        x = (struct str){text_c(&tx), (uint32_t)tx.len};
        y = (struct str){text_c(&ty), (uint32_t)ty.len};
    }
    c = str_compare(x, y);
    text_free(&tx);
    text_free(&ty);
    return (uint64_t)(int64_t)c;
}

static uint64_t h_str_hash(struct run *r, const uint64_t *a)
{
    void *dst = vm_at(&r->vm, a[0], 16, true);
    uint64_t h[2];
    struct str s;

    if (dst && run_str(r, a[1], &s)) {
        str_hash(h, r->hash_key, s.p,
                 s.len < r->o->h->maxstringlen ? s.len : r->o->h->maxstringlen);
        memcpy(dst, h, sizeof(h));
    }
    return 0;
}

/* Leaves the mark unexpanded: a key made of it must equal the key that a kernel handler made. */
static uint64_t h_str_mark(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    struct text t = TEXT_NEW;

    if (!dst)
        return 0;
    text_printf(&t, "%c%c%016llx", NGS_MARK, (int)(a[1] & 0x7f), (unsigned long long)a[2]);
    run_append(r, dst, text_c(&t), t.len);
    text_free(&t);
    return 0;
}

/* ---- global strings ---- */

static struct ngs_shared *get_shared(struct run *r, uint64_t id)
{
    if (id < r->o->h->table[OBJ_GLOBALS].n && r->o->globals[id].type == OBJ_STRING)
        return (struct ngs_shared *)(r->globals + r->o->globals[id].off);
    run_bad(r, "no such global string");
    return NULL;
}

static uint64_t h_shared_get(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    struct ngs_shared *s = get_shared(r, a[1]);

    if (dst && s && !shared_get(s, r->o->h->maxstringlen, dst))
        return run_fail(r, NGS_ERR_BUSY, 0);
    return 0;
}

static uint64_t h_shared_set(struct run *r, const uint64_t *a)
{
    struct ngs_shared *s = get_shared(r, a[0]);
    struct str text;

    if (s && run_str(r, a[1], &text))
        shared_set(s, r->o->h->maxstringlen, text);
    return 0;
}

static uint64_t h_shared_append(struct run *r, const uint64_t *a)
{
    struct ngs_shared *s = get_shared(r, a[0]);
    struct str more;
    bool cut = false, done;

    if (!s || !run_str(r, a[1], &more))
        return 0;
    done = shared_append(s, r->o->h->maxstringlen, more, r->text, &cut);
    if (done && cut)
        run_count(&r->ctl->truncated);
    return done ? 0 : run_fail(r, NGS_ERR_BUSY, 0);
}

static uint64_t h_read(struct run *r, const uint64_t *a)
{
    uint64_t v = 0;
    void *out = vm_at(&r->vm, a[3], 8, true);

    if (!out)
        return 0;
    if (a[1] == 0 || a[1] > 8)
        return run_bad(r, "read of an odd size");
    if (a[2] && !run_peek(r))
        return run_fail(r, NGS_ERR_KERNEL_READ, a[0]);
    if (!run_read_memory(r, a[0], &v, a[1], !a[2])) {
        run_count(&r->ctl->faults);
        return run_fail(r, NGS_ERR_FAULT, a[0]);
    }
    memcpy(out, &v, sizeof(v));
    return 0;
}

/*
 * Reads up to a NUL or MAX bytes, page by page: the string may end right before an unmapped page.
 */
static uint64_t h_read_string(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    uint64_t addr = a[1], left = a[2];
    char buf[PAGE];

    if (!dst)
        return 0;
    if (a[3] && !run_peek(r))
        return run_fail(r, NGS_ERR_KERNEL_READ, addr);
    if ((int64_t)left < 0)
        left = 0;
    while (left && dst->len < r->o->h->maxstringlen) {
        size_t n = PAGE - addr % PAGE;

        n = n < left ? n : (size_t)left;
        if (!run_read_memory(r, addr, buf, n, !a[3])) {
            run_count(&r->ctl->faults);
            return run_fail(r, NGS_ERR_FAULT, addr);
        }
        size_t len = strnlen(buf, n);

        if (a[4])
            text_make_line(buf, len);
        run_append(r, dst, buf, len);
        if (len < n)
            return 0;
        addr += n;
        left -= n;
    }
    return 0;
}

/* ---- where we are ---- */

static uint32_t random_bits(void)
{
    uint32_t bits = 0;

    return getrandom(&bits, sizeof(bits), GRND_NONBLOCK) == sizeof(bits) ? bits : 0;
}

/* The process that context functions tell of: the target's first one, or ngstap itself. */
static pid_t who(const struct run *r)
{
    if (r->as_process)
        return r->as_process;
    pid_t pid = r->t ? target_first(r->t) : 0;

    return pid > 0 ? pid : getpid();
}

/* Reads the facts again while the process lives; keeps the last ones after that. */
static const struct process_ids *process_facts(struct run *r)
{
    struct process_ids now = {0};

    if (process_ids(r->t ? r->t->proc : "/proc", who(r), &now)) {
        text_make_line(now.name, strlen(now.name));
        r->ids = now;
    }
    return &r->ids;
}

static uint64_t fact_of_process(struct run *r, uint64_t fact)
{
    if (fact == NGS_CTX_TID && r->as)
        return (uint64_t)r->as;
    if (fact == NGS_CTX_PID || fact == NGS_CTX_TID)
        return (uint64_t)who(r);
    const struct process_ids *ids = process_facts(r);

    switch (fact) {
    case NGS_CTX_PPID:
        return (uint64_t)ids->ppid;
    case NGS_CTX_UID:
        return ids->uid;
    case NGS_CTX_EUID:
        return ids->euid;
    case NGS_CTX_GID:
        return ids->gid;
    default:
        return ids->egid;
    }
}

/* ngstap's own, when handlers stand for nobody else. */
static uint64_t own_task(struct run *r)
{
    struct peek *p = who(r) == getpid() ? run_peek(r) : NULL;

    return p ? peek_task(p) : 0;
}

static uint64_t h_context(struct run *r, const uint64_t *a)
{
    switch (a[0]) {
    case NGS_CTX_PID:
    case NGS_CTX_TID:
    case NGS_CTX_PPID:
    case NGS_CTX_UID:
    case NGS_CTX_EUID:
    case NGS_CTX_GID:
    case NGS_CTX_EGID:
        return fact_of_process(r, a[0]);
    case NGS_CTX_CPU:
        return (uint64_t)(sched_getcpu() < 0 ? 0 : sched_getcpu());
    case NGS_CTX_TARGET:
        return r->ctl->target;
    case NGS_CTX_TIME_NS:
        return clock_ns(CLOCK_REALTIME);
    case NGS_CTX_MONO_NS:
        return clock_ns(CLOCK_MONOTONIC);
    case NGS_CTX_RANDOM:
        return random_bits();
    case NGS_CTX_PLACE: /* of the process that handlers in user space stand for */
        return a[1];
    case NGS_CTX_TASK:
        return own_task(r);
    case NGS_CTX_REG:
    case NGS_CTX_PARAM:
    case NGS_CTX_RETVAL:
        return run_fail(r, NGS_ERR_NO_USER_REGS, 0);
    }
    return 0; /* nothing was interrupted: no address */
}

static uint64_t h_context_str(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    const char *s = "";

    if (!dst)
        return 0;
    if (a[1] == NGS_CTX_EXECNAME)
        s = process_facts(r)->name;
    else if (a[1] == NGS_CTX_PP || a[1] == NGS_CTX_PN)
        s = object_str(r->o, r->probe->name);
    run_put(r, dst, s, strlen(s));
    return 0;
}

/* ---- the session ---- */

static uint64_t h_print(struct run *r, const uint64_t *a)
{
    const struct ngs_rec *rec = run_at8(r, a[0], sizeof(*rec), false);

    if (rec && vm_at(&r->vm, a[0], rec->size, false))
        run_record(r, rec, rec->size);
    return 0;
}

static uint64_t h_exit(struct run *r, const uint64_t *a)
{
    (void)a;
    r->quit = true;
    run_stop(r);
    return 0;
}

static uint64_t h_call(struct run *r, const uint64_t *a)
{
    uint64_t args[8] = {0};
    const void *words;

    if (a[2] > 8)
        return run_bad(r, "too many arguments");
    words = a[2] ? vm_at(&r->vm, a[1], a[2] * 8, false) : args;
    if (!words)
        return 0;
    if (words != args)
        memcpy(args, words, a[2] * 8);
    return run_ucall(r, (uint32_t)a[0], args, (uint32_t)a[2], a[3]);
}

/* Reads the text that error("...") left in the frame. */
static struct str frame_text(struct run *r)
{
    struct str s = {"", 0};

    if (run_frame(r)->error == NGS_ERR_SCRIPT && r->o->h->frame_error_text)
        run_str(r, vm_addr(VM_FRAME, r->o->h->frame_error_text), &s);
    return s;
}

static uint64_t h_error_text(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = a[0] ? run_dst(r, a[0]) : NULL;
    struct text t = TEXT_NEW;

    run_error_message(r, run_frame(r)->error, run_frame(r)->error_arg, frame_text(r), &t);
    if (dst)
        run_put(r, dst, text_c(&t), t.len);
    text_free(&t);
    run_frame(r)->error = NGS_OK;
    return 0;
}

static const run_helper_fn helpers[NGS_HELPER_COUNT] = {
    [NGS_H_PRINT] = h_print,
    [NGS_H_STR_COPY] = h_str_copy,
    [NGS_H_STR_APPEND] = h_str_append,
    [NGS_H_STR_FORMAT] = h_str_format,
    [NGS_H_STR_FORMAT_STR] = h_str_format_str,
    [NGS_H_STR_COMPARE] = h_str_compare,
    [NGS_H_STR_HASH] = h_str_hash,
    [NGS_H_STR_MARK] = h_str_mark,
    [NGS_H_SHARED_GET] = h_shared_get,
    [NGS_H_SHARED_SET] = h_shared_set,
    [NGS_H_SHARED_APPEND] = h_shared_append,
    [NGS_H_READ] = h_read,
    [NGS_H_READ_STRING] = h_read_string,
    [NGS_H_CONTEXT] = h_context,
    [NGS_H_CONTEXT_STR] = h_context_str,
    [NGS_H_EXIT] = h_exit,
    [NGS_H_CALL] = h_call,
    [NGS_H_ERROR_TEXT] = h_error_text,
};

uint64_t run_helper(struct vm *vm, uint32_t number, const uint64_t args[5])
{
    run_helper_fn helper = helpers[number] ? helpers[number] : run_array_helpers[number];

    return helper ? helper(vm->ctx, args) : run_bad(vm->ctx, "no such helper");
}
