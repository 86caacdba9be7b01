/*
 * caps: which of capabilities(7) we lack, and what each would be for. Enters: this process's
 * effective set; leaves: lists and hints. docs/installing.md has the same table; tests/caps.sh
 * holds the two together, and takes each away.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target/target.h"

/* linux/capability.h has these from Linux 5.8 and 5.9 on. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF     39
#endif
#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

enum { NONE = -1 };

/* INSTEAD does as well. NEEDED: no run with probes in the kernel goes without. */
static const struct {
    const char *name;
    int cap, instead;
    bool needed;
    const char *use;
} table[] = {
    {"CAP_BPF", CAP_BPF, CAP_SYS_ADMIN, true, "loads programs and maps into the kernel"},
    {"CAP_PERFMON", CAP_PERFMON, CAP_SYS_ADMIN, true,
     "takes samples, places probes and lets programs read memory"},
    {"CAP_SYS_PTRACE", CAP_SYS_PTRACE, NONE, true,
     "tells which files another process has mapped, and leads to its root"},
    {"CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE, false,
     "reads files that their mode keeps for other users"},
    {"CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN, false,
     "opens files that are mapped, but deleted or replaced"},
    {"CAP_SYSLOG", CAP_SYSLOG, NONE, false, "tells the addresses of the kernel's functions"},
    {"CAP_SYS_ADMIN", CAP_SYS_ADMIN, NONE, false,
     "places probes on functions of programs before Linux 6.6"},
};
enum { N_TABLE = sizeof(table) / sizeof(*table) };

typedef struct __user_cap_data_struct cap_set[2];

static bool read_caps(cap_set set)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};

    return !syscall(SYS_capget, &head, set);
}

static bool has_cap(const cap_set set, int cap)
{
    return cap != NONE && set[cap / 32].effective & 1u << cap % 32;
}

/* False where it is not known. */
static bool lacks(uint32_t row)
{
    cap_set set = {{0}, {0}};

    return read_caps(set) && !has_cap(set, table[row].cap) && !has_cap(set, table[row].instead);
}

bool kernel_may_ptrace(void)
{
    cap_set set = {{0}, {0}};

    return read_caps(set) && has_cap(set, CAP_SYS_PTRACE);
}

const char *kernel_missing_caps(struct arena *a)
{
    const char *list = NULL;

    for (uint32_t i = 0; i < N_TABLE; i++)
        if (table[i].needed && lacks(i))
            list = arena_printf(a, "%s%s%s", list ? list : "", list ? ", " : "", table[i].name);
    return list;
}

static void hint(struct compile *cx, uint32_t row)
{
    diag_hint(cx->diag, "%s, which is missing, %s", table[row].name, table[row].use);
}

void kernel_hint_caps(struct compile *cx)
{
    for (uint32_t i = 0; i < N_TABLE; i++)
        if (table[i].needed && lacks(i))
            hint(cx, i);
}

bool kernel_hint_cap(struct compile *cx, int cap)
{
    for (uint32_t i = 0; i < N_TABLE; i++) {
        if (table[i].cap == cap && lacks(i)) {
            hint(cx, i);
            return true;
        }
    }
    return false;
}
