/*
 * report: an agent's numbers as text for Prometheus (text format 0.0.4). docs/ngstap.1 lists them;
 * all are the agent's own, so that nothing a target says is in them.
 */
#include <sys/resource.h>

#include "agent/internal.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

#define NAME(what) "ngstap_agent_" what

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double own_cpu(int who)
{
    struct rusage u;

    return getrusage(who, &u) ? 0 : seconds(u.ru_utime) + seconds(u.ru_stime);
}

void report_metrics(void *agent, FILE *f)
{
    const struct agent *a = agent;
    double cpu = a->past.cpu, bpf = a->past.bpf;
    uint64_t windows = a->past.windows, samples = a->past.samples, stacks = a->past.stacks;
    uint64_t lost = a->past.lost, empty = a->past.empty;

    for (const struct session *s = a->sessions; s; s = s->next) {
        cpu += s->cpu;
        bpf += s->bpf;
        windows += s->windows;
        samples += s->samples;
        stacks += s->stacks;
        lost += s->lost;
        empty += s->empty;
    }
    metrics_head(f, NAME("build_info"), "gauge", "The version.");
    fprintf(f, NAME("build_info") "{version=\"%s\"} 1\n", PACKAGE_VERSION);
    metrics_value(f, NAME("targets"), "gauge", "Processes that fit the configuration.",
                  (double)a->n_targets);
    metrics_value(f, NAME("groups"), "gauge", "Groups of processes that are profiled as one.",
                  HASH_COUNT(a->groups.all));
    metrics_value(f, NAME("sessions"), "gauge", "Sessions that run.", (double)a->n_sessions);
    metrics_value(f, NAME("sessions_started_total"), "counter", "Sessions that were started.",
                  (double)a->past.started);
    metrics_value(f, NAME("sessions_failed_total"), "counter", "Sessions that ended with an error.",
                  (double)a->past.failed);
    metrics_head(f, NAME("sessions_stopped_total"), "counter",
                 "Sessions that were stopped to keep the budget.");
    fprintf(f, NAME("sessions_stopped_total") "{budget=\"cpu\"} %llu\n",
            (unsigned long long)a->past.cpu_stops);
    fprintf(f, NAME("sessions_stopped_total") "{budget=\"memory\"} %llu\n",
            (unsigned long long)a->past.memory_stops);
    metrics_value(f, NAME("windows_total"), "counter", "Windows of sessions that have ended.",
                  (double)windows);
    metrics_value(f, NAME("windows_empty_total"), "counter", "Of them those without a stack.",
                  (double)empty);
    metrics_value(f, NAME("samples_total"), "counter", "Samples.", (double)samples);
    metrics_value(f, NAME("stacks_total"), "counter", "Different stacks, of each window.",
                  (double)stacks);
    metrics_value(f, NAME("samples_lost_total"), "counter", "Samples that were lost.",
                  (double)lost);
    metrics_value(f, NAME("profiles_sent_total"), "counter", "Profiles that the receiver took.",
                  (double)a->sender.sent);
    metrics_value(f, NAME("sent_bytes_total"), "counter", "Bytes of them.",
                  (double)a->sender.sent_bytes);
    metrics_value(f, NAME("profiles_refused_total"), "counter",
                  "Profiles that the receiver refused for good.", (double)a->sender.refused);
    metrics_value(f, NAME("send_failures_total"), "counter", "Tries at sending that failed.",
                  (double)a->sender.failed);
    metrics_value(f, NAME("profiles_dropped_total"), "counter",
                  "Profiles that were dropped: the spool was full.", (double)a->spool.dropped);
    metrics_value(f, NAME("dropped_bytes_total"), "counter", "Bytes of them.",
                  (double)a->spool.dropped_bytes);
    metrics_value(f, NAME("spool_files"), "gauge", "Profiles in the spool.", a->spool.n);
    metrics_value(f, NAME("spool_bytes"), "gauge", "Bytes of them.", (double)a->spool.bytes);
    metrics_head(f, NAME("cpu_seconds_total"), "counter",
                 "CPU time: of the agent, of its sessions, of their handlers in the kernel, of "
                 "whom it asks and sends by.");
    double own = own_cpu(RUSAGE_SELF), others = own_cpu(RUSAGE_CHILDREN) - a->past.cpu;

    fprintf(f, NAME("cpu_seconds_total") "{part=\"agent\"} %.6f\n", own);
    fprintf(f, NAME("cpu_seconds_total") "{part=\"sessions\"} %.6f\n", cpu);
    fprintf(f, NAME("cpu_seconds_total") "{part=\"handlers\"} %.6f\n", bpf);
    fprintf(f, NAME("cpu_seconds_total") "{part=\"helpers\"} %.6f\n", others > 0 ? others : 0);
    metrics_value(f, NAME("budget_cpu_ratio"), "gauge", "The share of one CPU that it may take.",
                  a->budget.share);
    metrics_value(f, NAME("used_cpu_ratio"), "gauge",
                  "The share that it took in the last window, without starts of sessions.",
                  a->used);
    metrics_value(f, NAME("budget_credit_seconds"), "gauge",
                  "CPU time that is left over, from which sessions are started.", a->budget.credit);
    metrics_value(f, NAME("budget_memory_bytes"), "gauge", "The memory that it may take.",
                  (double)a->conf->memory);
    metrics_value(f, NAME("memory_bytes"), "gauge",
                  "Memory, of maps and programs in the kernel, too, by the last window.",
                  (double)a->memory);
    metrics_value(f, NAME("rate_hz"), "gauge", "Samples a second of CPU time.",
                  (double)budget_hz(&a->budget));
    metrics_head(f, NAME("rate_changes_total"), "counter", "Changes of the rate.");
    fprintf(f, NAME("rate_changes_total") "{to=\"lower\"} %llu\n",
            (unsigned long long)a->past.lowered);
    fprintf(f, NAME("rate_changes_total") "{to=\"higher\"} %llu\n",
            (unsigned long long)a->past.raised);
    metrics_value(f, NAME("scans_total"), "counter", "Looks at /proc.", (double)a->past.scans);
    metrics_value(f, NAME("scan_seconds"), "gauge", "How long the last one took.", a->scan_seconds);
}
