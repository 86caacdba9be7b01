/*
 * ucall: script functions that only user space has, one row each (abi.h, enum ngs_ucall). Enters:
 * words, each a number or a string's address in the vm; leaves: a number in r0 or a string in the
 * destination, as SystemTap's tapset functions of these names give it; or an error for the script.
 *
 * Strings are looked at with their address marks replaced by names, since that is what they print
 * as; they end at a NUL. No function here waits for anything or makes more than a string can hold,
 * so that the session stays in reach of signals.
 */
#include "run/helpers.h"

#include <ctype.h>
#include <errno.h>
#include <endian.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MAX_TEXTS = 3 };

struct ucall {
    struct run *r;
    uint32_t n;
    int64_t num[8];
    struct text text[MAX_TEXTS]; /* strings, by argument number */
    struct str raw;              /* a string as it is */
    struct ngs_str *dst;
};

static const char *arg(struct ucall *c, uint32_t i)
{
    return text_c(&c->text[i]);
}

static uint64_t give(struct ucall *c, const char *p, size_t n)
{
    run_put(c->r, c->dst, p, n);
    return 0;
}

/* The kernel's simple_strtol: no white space, no '+', what overflows wraps. */
static uint64_t u_strtol(struct ucall *c)
{
    const char *p = arg(c, 0);
    bool negative = *p == '-';
    int64_t base = c->num[1];
    uint64_t v = 0;

    p += negative;
    if (base == 0)
        base = p[0] != '0' ? 10 : (p[1] | 32) == 'x' && isxdigit((unsigned char)p[2]) ? 16 : 8;
    if (base == 16 && p[0] == '0' && (p[1] | 32) == 'x')
        p += 2;
    for (; *p; p++) {
        int d = isdigit((unsigned char)*p) ? *p - '0'
                : isxdigit((unsigned char)*p)
                    ? (*p | 32) - 'a' + 10 /* no more, whatever the base */
                    : 99;

        if (d >= base)
            break;
        v = v * (uint64_t)base + (uint64_t)d;
    }
    return negative ? -v : v;
}

static uint64_t u_substr(struct ucall *c)
{
    int64_t start = c->num[1], len = c->num[2], have = (int64_t)c->text[0].len;

    if (start < 0 || start >= have || len <= 0)
        return give(c, "", 0);
    if (len > have - start)
        len = have - start;
    return give(c, arg(c, 0) + start, (size_t)len);
}

static uint64_t u_strpos(struct ucall *c)
{
    const char *s = arg(c, 0), *found = NULL;

    if (c->num[2] >= 0 && c->num[2] <= (int64_t)c->text[0].len)
        found = strstr(s + c->num[2], arg(c, 1));
    return found ? (uint64_t)(found - s) : (uint64_t)-1;
}

/* What SPAN and PLAIN count from: the start, or the end when there is no such place. */
static const char *from(struct ucall *c, int64_t start)
{
    int64_t len = (int64_t)c->text[0].len;

    return arg(c, 0) + (start < 0 || start > len ? len : start);
}

static uint64_t u_span(struct ucall *c)
{
    return (c->num[3] ? strcspn : strspn)(from(c, c->num[2]), arg(c, 1));
}

static uint64_t u_plain(struct ucall *c)
{
    const char *s = from(c, c->num[1]), *end = s;

    while (*end >= ' ' && *end <= '~' && *end != '"' && *end != '\\')
        end++;
    return (uint64_t)(end - s);
}

/*
 * Stops at the length of a string: replacing each of 32,000 characters by 32,000 would take a
 * gigabyte.
 */
static uint64_t u_str_replace(struct ucall *c)
{
    struct text t = TEXT_NEW;
    const char *p = arg(c, 0), *found;
    size_t from = c->text[1].len;

    t.max = c->r->o->h->maxstringlen + 1; /* one more, so that the cut is counted */
    while (from && !t.cut && (found = strstr(p, arg(c, 1)))) {
        text_bytes(&t, p, (size_t)(found - p));
        text_bytes(&t, arg(c, 2), c->text[2].len);
        p = found + from;
    }
    text_str(&t, p);
    give(c, text_c(&t), t.len);
    text_free(&t);
    return 0;
}

/* Flushes first: the command prints to the same terminal. */
static uint64_t u_system(struct ucall *c)
{
    output_flush(c->r);
    if (!run_command(c->r, arg(c, 0)))
        run_warn(c->r, "cannot run a shell for system(\"%s\")", arg(c, 0));
    return 0;
}

static uint64_t u_env_var(struct ucall *c)
{
    const char *v = getenv(arg(c, 0));

    return give(c, v ? v : "", v ? strlen(v) : 0);
}

static uint64_t u_pid2execname(struct ucall *c)
{
    char path[512], comm[64];
    ssize_t n = -1;
    int fd;

    snprintf(path, sizeof(path), "%s/%lld/comm", c->r->t && c->r->t->proc ? c->r->t->proc : "/proc",
             (long long)c->num[0]);
    fd = c->num[0] > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        n = read(fd, comm, sizeof(comm));
        close(fd);
    }
    if (n > 0 && comm[n - 1] == '\n')
        n--;
    if (n > 0)
        text_make_line(comm, (size_t)n);
    return give(c, comm, n > 0 ? (size_t)n : 0);
}

static uint64_t u_stringat(struct ucall *c)
{
    if (c->num[1] < 0 || c->num[1] >= (int64_t)c->text[0].len)
        return run_fail(c->r, NGS_ERR_POSITION, 0);
    return (uint64_t)(int64_t)(signed char)arg(c, 0)[c->num[1]];
}

static uint64_t change_case(struct ucall *c, int (*change)(int))
{
    struct text *t = &c->text[0];

    for (size_t i = 0; i < t->len; i++)
        if ((unsigned char)t->p[i] < 128) /* letters of ASCII only, whatever the locale */
            t->p[i] = (char)change((unsigned char)t->p[i]);
    return give(c, text_c(t), t->len);
}

static uint64_t u_toupper(struct ucall *c)
{
    return change_case(c, toupper);
}

static uint64_t u_tolower(struct ucall *c)
{
    return change_case(c, tolower);
}

/* ---- regular expressions ---- */

/* The number at CELL of TABLE; NGS_REGEX_NO where an object of unknown origin has none. */
static uint32_t regex_cell(struct str table, size_t cell)
{
    uint16_t v;

    if (2 * cell + sizeof(v) > table.len)
        return NGS_REGEX_NO;
    memcpy(&v, table.p + 2 * cell, sizeof(v));
    return le16toh(v);
}

static uint64_t u_regex(struct ucall *c)
{
    uint32_t state = NGS_REGEX_ROWS;
    struct str table = c->raw;

    for (size_t i = 0; i < c->text[0].len && state >= NGS_REGEX_ROWS; i++) {
        unsigned char byte = (unsigned char)c->text[0].p[i];
        unsigned column = byte < table.len ? (unsigned char)table.p[byte] : 0;

        state = regex_cell(table, (size_t)state + 1 + column);
    }
    return state >= NGS_REGEX_ROWS ? regex_cell(table, state) : state;
}

/*
 * Groups, as POSIX has them: the leftmost, longest match. SLOT receives the N-th; false, with an
 * error for the script: there is none. A pattern that the compiler took is one of the C library's.
 */
static bool find_group(struct ucall *c, const char *text, const char *pattern, int64_t n,
                       regmatch_t *slot, size_t *n_groups)
{
    regex_t re;
    regmatch_t *groups;
    bool found = false;

    if (!*pattern) {
        run_fail(c->r, NGS_ERR_NO_MATCH, 0);
        return false;
    }
    if (regcomp(&re, pattern, REG_EXTENDED)) {
        run_fail(c->r, NGS_ERR_BAD_ARG, 0);
        return false;
    }
    *n_groups = re.re_nsub + 1;
    groups = calloc(*n_groups, sizeof(*groups));
    if (n < 0 || (size_t)n >= *n_groups) {
        run_fail(c->r, NGS_ERR_NO_GROUP, 0);
    } else if (!groups || regexec(&re, text, *n_groups, groups, 0)) {
        run_fail(c->r, NGS_ERR_NO_MATCH, 0);
    } else {
        *slot = groups[n];
        found = true;
    }
    free(groups);
    regfree(&re);
    return found;
}

static uint64_t u_matched(struct ucall *c)
{
    regmatch_t group = {-1, -1};
    size_t n_groups;

    if (!find_group(c, arg(c, 0), arg(c, 1), c->num[2], &group, &n_groups))
        return give(c, "", 0);
    if (group.rm_so < 0)
        return give(c, "", 0);
    return give(c, arg(c, 0) + group.rm_so, (size_t)(group.rm_eo - group.rm_so));
}

static uint64_t u_ngroups(struct ucall *c)
{
    regmatch_t group;
    size_t n_groups = 0;

    find_group(c, arg(c, 0), arg(c, 1), 0, &group, &n_groups);
    return n_groups;
}

/* Of the moment when it is asked: once, when the session begins (tapset/time.stp). */
static const struct tm *local_time(struct tm *tm)
{
    time_t now = time(NULL);

    return localtime_r(&now, tm);
}

static uint64_t u_tz_gmtoff(struct ucall *c)
{
    struct tm tm;

    (void)c;
    return local_time(&tm) ? (uint64_t)-tm.tm_gmtoff : 0;
}

static uint64_t u_tz_name(struct ucall *c)
{
    struct tm tm;
    const char *name = local_time(&tm) ? tm.tm_zone : "";

    return give(c, name, strlen(name));
}

static uint64_t u_raise(struct ucall *c)
{
    if (syscall(SYS_tgkill, (pid_t)c->num[1], (pid_t)c->num[2], (int)c->num[0]))
        return run_fail(c->r, NGS_ERR_SIGNAL, 0);
    return 0;
}

/* Adds a line to a log of the kernel's, in one write, which is one line there. */
static bool write_log(const char *path, struct text *line)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    bool ok = fd >= 0 && write(fd, text_c(line), line->len) >= 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

static uint64_t u_ftrace(struct ucall *c)
{
    text_char(&c->text[0], '\n');
    if (!write_log("/sys/kernel/tracing/trace_marker", &c->text[0]))
        write_log("/sys/kernel/debug/tracing/trace_marker", &c->text[0]);
    return 0;
}

static uint64_t u_printk(struct ucall *c)
{
    struct text line = TEXT_NEW;

    text_printf(&line, "<%d>", (int)(c->num[0] & 7));
    text_bytes(&line, arg(c, 1), c->text[1].len);
    text_char(&line, '\n');
    if (!write_log("/dev/kmsg", &line))
        run_warn(c->r, "printk: cannot write to /dev/kmsg: %s", strerror(errno));
    text_free(&line);
    return 0;
}

static uint64_t u_stp_pid(struct ucall *c)
{
    (void)c;
    return (uint64_t)getpid();
}

/* Three numbers with two digits each, as the kernel rounds them. */
static bool load_averages(double load[3], char *line, size_t size)
{
    int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, line, size - 1) : -1;

    if (fd >= 0)
        close(fd);
    line[n > 0 ? n : 0] = '\0';
    return sscanf(line, "%lf %lf %lf", &load[0], &load[1], &load[2]) == 3;
}

static uint64_t u_loadavg(struct ucall *c)
{
    double load[3];
    char line[128];

    if (c->num[0] < 0 || c->num[0] > 2 || !load_averages(load, line, sizeof(line)))
        return run_fail(c->r, NGS_ERR_LOADAVG, 0);
    return (uint64_t)load[c->num[0]];
}

static uint64_t u_loadavg_line(struct ucall *c)
{
    double load[3] = {0};
    char line[128];

    load_averages(load, line, sizeof(line));
    snprintf(line, sizeof(line), "%.2f %.2f %.2f\n", load[0], load[1], load[2]);
    return give(c, line, strlen(line));
}

static int by_pid(const void *a, const void *b)
{
    return *(const pid_t *)a < *(const pid_t *)b ? -1 : 1;
}

/* The processes that are named, and all that descend from them. */
static uint64_t u_target_set(struct ucall *c)
{
    struct run *r = c->r;
    const struct target *t = r->t;
    uint32_t n = !t ? 0 : t->n_pids ? t->n_pids : t->pid > 0, all = n;
    pid_t *below = NULL, *pids = NULL;

    if (n)
        all += target_below(r->cx, t->proc, t->n_pids ? t->pids : &t->pid, n, &below);
    pids = calloc((size_t)all + 1, sizeof(*pids));
    for (uint32_t k = 0; pids && k < all; k++)
        pids[k] = k >= n ? below[k - n] : t->n_pids ? t->pids[k] : t->pid;
    if (pids)
        qsort(pids, all, sizeof(*pids), by_pid);
    text_str(&r->out.buf, "target set:\n");
    for (uint32_t k = 0; pids && k < all; k++)
        text_printf(&r->out.buf, "%d begat %d\n", (int)process_parent(t, pids[k]), (int)pids[k]);
    free(pids);
    return 0;
}

static uint64_t u_switch_file(struct ucall *c)
{
    const struct run_opts *o = c->r->opts;

    output_flush(c->r);
    if (o->next_file && !o->next_file(o->next_file_arg))
        run_warn(c->r, "switch_file: cannot write the next file: %s", strerror(errno));
    return 0;
}

/* ---- the target's memory ---- */

static uint64_t write_bytes(struct ucall *c, const void *p, size_t n)
{
    uint64_t addr = (uint64_t)c->num[0];

    return run_write_memory(c->r, addr, p, n) ? 0 : run_fail(c->r, NGS_ERR_WRITE_FAULT, addr);
}

static uint64_t u_write(struct ucall *c)
{
    uint64_t v = htole64((uint64_t)c->num[2]);

    return write_bytes(c, &v, (uint64_t)c->num[1] <= sizeof(v) ? (size_t)c->num[1] : 0);
}

static uint64_t u_write_str(struct ucall *c)
{
    struct text *t = &c->text[1];

    if (c->num[2] < (int64_t)t->len) {
        t->len = c->num[2] > 0 ? (size_t)c->num[2] : 0;
        t->p[t->len] = '\0';
    }
    return write_bytes(c, text_c(t), t->len + 1);
}

static uint64_t u_stack(struct ucall *c)
{
    uint64_t number = 0;

    if (c->raw.len != NGS_MARK_LEN || c->raw.p[0] != NGS_MARK || c->raw.p[1] != 'a')
        return 0;
    for (int i = 2; i < NGS_MARK_LEN; i++) {
        int digit = c->raw.p[i] - '0';

        number = number << 4 | (uint64_t)(digit > 9 ? digit - ('a' - '9' - 1) : digit);
    }
    return number;
}

/* A handler in user space has no stack at hand. */
static uint64_t u_stack_text(struct ucall *c)
{
    return 0;
}

static uint64_t u_stacks_forget(struct ucall *c)
{
    if (c->r->s)
        session_stacks_forget(c->r->s);
    return 0;
}

/* ---- $value of a file (files.c) ---- */

static uint64_t u_value(struct ucall *c)
{
    struct file_value *v = c->r->value;

    return give(c, v ? text_c(&v->text) : "", v ? v->text.len : 0);
}

/* What does not fit is cut, and an error that a script can catch. */
static uint64_t u_value_add(struct ucall *c)
{
    struct file_value *v = c->r->value;
    size_t n = c->text[0].len, room;

    if (!v)
        return 0;
    room = v->max - v->text.len;
    text_bytes(&v->text, arg(c, 0), n < room ? n : room);
    return n <= room ? 0 : run_fail(c->r, NGS_ERR_VALUE_FULL, v->text.len + (n - room) + 1);
}

static uint64_t u_value_set(struct ucall *c)
{
    if (c->r->value)
        c->r->value->text.len = 0;
    return u_value_add(c);
}

static uint64_t u_named(struct ucall *c)
{
    return give(c, arg(c, 0), c->text[0].len);
}

/* Arguments: 'l' a number, 's' a string, 't' one as it is: the table of a regular expression, a
 * stack. */
static const struct {
    const char *args;
    bool to_string;
    uint64_t (*call)(struct ucall *c);
    /* -g is for it: it changes programs, or what others read; or it runs a command */
    enum { ANYBODY, GURU, COMMAND } whose;
} rows[NGS_U_COUNT] = {
    [NGS_U_STRTOL] = {"sl", false, u_strtol},
    [NGS_U_SUBSTR] = {"sll", true, u_substr},
    [NGS_U_STRPOS] = {"ssl", false, u_strpos},
    [NGS_U_SPAN] = {"ssll", false, u_span},
    [NGS_U_PLAIN] = {"sl", false, u_plain},
    [NGS_U_STR_REPLACE] = {"sss", true, u_str_replace},
    [NGS_U_SYSTEM] = {"s", false, u_system, COMMAND},
    [NGS_U_ENV_VAR] = {"s", true, u_env_var},
    [NGS_U_PID2EXECNAME] = {"l", true, u_pid2execname},
    [NGS_U_TZ_GMTOFF] = {"", false, u_tz_gmtoff},
    [NGS_U_TZ_NAME] = {"", true, u_tz_name},
    [NGS_U_STRINGAT] = {"sl", false, u_stringat},
    [NGS_U_TOUPPER] = {"s", true, u_toupper},
    [NGS_U_TOLOWER] = {"s", true, u_tolower},
    [NGS_U_RAISE] = {"lll", false, u_raise, GURU},
    [NGS_U_FTRACE] = {"s", false, u_ftrace},
    [NGS_U_PRINTK] = {"ls", false, u_printk, GURU},
    [NGS_U_STP_PID] = {"", false, u_stp_pid},
    [NGS_U_LOADAVG] = {"l", false, u_loadavg},
    [NGS_U_LOADAVG_LINE] = {"", true, u_loadavg_line},
    [NGS_U_TARGET_SET] = {"", false, u_target_set},
    [NGS_U_SWITCH_FILE] = {"", false, u_switch_file},
    [NGS_U_REGEX] = {"st", false, u_regex},
    [NGS_U_MATCHED] = {"ssl", true, u_matched},
    [NGS_U_WRITE] = {"lll", false, u_write, GURU},
    [NGS_U_WRITE_STR] = {"lsl", false, u_write_str, GURU},
    [NGS_U_NGROUPS] = {"ss", false, u_ngroups},
    [NGS_U_STACK] = {"t", false, u_stack},
    [NGS_U_STACK_TEXT] = {"t", false, u_stack_text},
    [NGS_U_STACKS_FORGET] = {"", false, u_stacks_forget},
    [NGS_U_VALUE] = {"", true, u_value},
    [NGS_U_VALUE_SET] = {"s", false, u_value_set},
    [NGS_U_VALUE_ADD] = {"s", false, u_value_add},
    [NGS_U_NAMED] = {"s", true, u_named},
};

uint64_t run_ucall(struct run *r, uint32_t number, const uint64_t *args, uint32_t n, uint64_t dst)
{
    struct ucall c = {.r = r, .n = n, .text = {TEXT_NEW, TEXT_NEW, TEXT_NEW}};
    bool ok = number < NGS_U_COUNT && rows[number].call;
    uint64_t result = 0;

    if (ok && rows[number].to_string) {
        c.dst = run_dst(r, dst);
        ok = c.dst != NULL;
    } else if (!ok) {
        r->vm.fault = "unknown function";
    }
    if (ok && rows[number].whose == GURU && !r->o->guru) {
        r->vm.fault = "it writes to programs, or sends signals, and -g is not given";
        ok = false;
    }
    if (ok && rows[number].whose == COMMAND && r->o->no_commands) {
        r->vm.fault = "it runs a command, and its script does not say so";
        ok = false;
    }
    for (uint32_t i = 0; ok && rows[number].args[i] && i < n; i++) {
        struct str s;

        c.num[i] = (int64_t)args[i];
        if (rows[number].args[i] == 't')
            ok = run_str(r, args[i], &c.raw);
        if (rows[number].args[i] == 's') {
            ok = run_str(r, args[i], &s);
            if (ok) /* C strings: also those of an object of unknown origin */
                run_expand(r, s.p, strnlen(s.p, s.len), &c.text[i]);
        }
    }
    if (ok)
        result = rows[number].call(&c);
    for (uint32_t i = 0; i < MAX_TEXTS; i++)
        text_free(&c.text[i]);
    return result;
}
