/*
 * report: what is said when a session is over. Enters: the counts of the control map and of the
 * loaded programs; leaves: warnings of what was lost, and with -v times and memory.
 */
#include "run/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "target/target.h"

struct report_age report_age(void)
{
    return (struct report_age){.seconds = (double)clock_ns(CLOCK_BOOTTIME) / 1e9 -
                                          (double)process_start_ticks("/proc", getpid()) /
                                              (double)sysconf(_SC_CLK_TCK),
                               .cpu_seconds = (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9};
}

static void warn_count(struct run *r, uint64_t n, const char *what)
{
    if (n)
        run_warn(r, "%" PRIu64 " %s", n, what);
}

void report_loss(void *r, const char *text)
{
    run_warn(r, "%s", text);
}

/* Records of the kernel's errors, which are among R's, can be lost; suppressed, there are none. */
static uint64_t errors_of(const struct run *r)
{
    uint64_t in_kernel = r->ctl->errors;

    if (r->o->h->maxerrors == NGS_ERRORS_SUPPRESSED)
        return in_kernel + r->errors;
    return in_kernel > r->errors ? in_kernel : r->errors;
}

void report_losses(struct run *r)
{
    const struct ngs_control *c = r->ctl;
    uint64_t errors = errors_of(r);
    uint64_t missed = r->s ? session_missed(r->s) : 0;
    char cut[96];

    snprintf(cut, sizeof(cut), "strings cut at MAXSTRINGLEN (%u bytes)", r->o->h->maxstringlen);
    if (errors || c->skipped || missed)
        run_warn(r, "Number of errors: %" PRIu64 ", skipped probes: %" PRIu64, errors,
                 c->skipped + missed);
    warn_count(r, c->unfinished,
               "skipped probes had begun: the ring was full when their handlers were to go on in "
               "user space");
    warn_count(r, missed,
               "skipped probes, of any process, were left out by the kernel: a handler ran on that "
               "processor already, or too many returns were pending");
    warn_count(r, c->truncated, cut);
    warn_count(r, c->lost, "prints lost, as they came faster than they could be written");
    if (r->s)
        session_losses(r->s, report_loss, r);
    warn_count(r, c->map_full, "elements not stored, as their array was full");
}

/* How far walks of programs' stacks came, and what ended them. */
static void report_stacks(const struct ngs_control *c, FILE *err)
{
    static const char *const why[NGS_END_COUNT] = {
        [NGS_END_OUTERMOST] = "whole",
        [NGS_END_ASKED] = "as deep as asked",
        [NGS_END_CUT] = "cut at the limit",
        [NGS_END_UNMAPPED] = "ended in no known code",
        [NGS_END_NO_TABLE] = "at code without a table",
        [NGS_END_OTHERWISE] = "at a frame that its table leaves open",
        [NGS_END_UNREADABLE] = "at memory that cannot be read",
        [NGS_END_ASTRAY] = "at a frame that lies below",
    };
    const char *before = "stacks of programs: ";

    for (int k = 0; k < NGS_END_COUNT; k++) {
        if (!c->ends[k])
            continue;
        fprintf(err, "%s%" PRIu64 " %s", before, c->ends[k], why[k]);
        before = ", ";
    }
    if (*before == ',')
        fputc('\n', err);
}

void report_timing(struct run *r, struct report_age armed)
{
    const struct ngs_control *c = r->ctl;
    struct rusage usage;
    uint64_t verified = 0, load_ns = 0, ns = 0, count = 0;
    FILE *err = r->opts->err;

    output_flush(r);
    fprintf(err, "hits: %" PRIu64 ", skipped: %" PRIu64 ", errors: %" PRIu64 ", faults: %" PRIu64,
            c->hits, c->skipped + (r->s ? session_missed(r->s) : 0), errors_of(r), c->faults);
    fprintf(err, ", truncated: %" PRIu64 ", lost: %" PRIu64 ", map full: %" PRIu64 "\n",
            c->truncated, c->lost, c->map_full);
    report_stacks(c, err);
    if (r->s) {
        session_stats(r->s, &verified, &load_ns);
        session_run_stats(r->s, &ns, &count);
        fprintf(err, "loaded in %.1f ms, %" PRIu64 " instructions verified\n",
                (double)load_ns / 1e6, verified);
        if (count)
            fprintf(err, "%.0f ns per hit (%" PRIu64 " runs of BPF programs)\n",
                    (double)ns / (double)count, count);
    }
    if (armed.seconds > 0)
        fprintf(err, "armed %.3f s after the start, of which %.3f s on a processor\n",
                armed.seconds, armed.cpu_seconds);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        fprintf(err, "largest resident memory: %.1f MiB\n", (double)usage.ru_maxrss / 1024);
    fflush(err);
}
