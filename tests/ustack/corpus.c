/*
 * corpus: a program that knows its own stack. Each function is instrumented
 * (-finstrument-functions) to keep its address in its thread's element of SHADOWS, innermost last;
 * what the functions do makes a compiler use the ways to lay out frames: none, a fixed one, one of
 * a size that only the run knows, one on an aligned stack, callbacks out of libc, recursion, deeper
 * than a walk goes, too, signal handlers, on another stack too, threads, a call at the end of a
 * function that does not return, calls that take the place of their caller. Calls through slots
 * that the dynamic linker has not filled yet, coroutines on stacks of their own, and libraries that
 * come and go (corpus_plugin.c). "corpus SECONDS [PLUGIN PLUGIN]", of processor time.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define PLAIN     __attribute__((no_instrument_function))
#define BARRIER() __asm__ volatile("" ::: "memory")

enum { SHADOW = 1200, DEEP = 1000, TURNS_OF_A_DEEP_ONE = 8, SLOTS_MAX = 256 };
struct shadow {
    long thread; /* as gettid(2) has it */
    long depth;
    long base;   /* functions before this one are on the stack that a coroutine was entered from */
    long moving; /* between the two stacks: the thread may be on either */
    void *functions[SHADOW];
} shadows[2];
static struct shadow nobody; /* before a thread has its own */
static __thread struct shadow *mine = &nobody;

PLAIN void __cyg_profile_func_enter(void *function, void *site)
{
    (void)site;
    if (mine->depth < SHADOW)
        mine->functions[mine->depth] = function;
    BARRIER();
    mine->depth++;
}

PLAIN void __cyg_profile_func_exit(void *function, void *site)
{
    (void)function;
    (void)site;
    mine->depth--;
}

static volatile unsigned long sink;
static __thread jmp_buf env;

__attribute__((noinline)) static void spin(long n)
{
    for (long i = 0; i < n; i++)
        sink += (unsigned long)i ^ sink << 1;
}

__attribute__((noinline)) static long fixed(unsigned long n)
{
    volatile char room[400];

    room[n % 400] = 1;
    spin(3000);
    return room[0] + (long)n;
}

__attribute__((noinline)) static long growing(unsigned long n)
{
    char *room = alloca(n % 700 + 1);

    memset(room, (int)(n & 63), n % 700 + 1);
    spin(2000);
    return fixed((unsigned char)room[0]) + room[n % 700];
}

__attribute__((noinline)) static long aligned(unsigned long n)
{
    _Alignas(64) volatile char room[128];

    room[n % 128] = 2;
    spin(2000);
    return growing(n) + room[n % 128];
}

__attribute__((noinline)) static long aligned_growing(unsigned long n)
{
    _Alignas(128) volatile char room[256];
    volatile char *more = alloca(n % 300 + 1);

    room[n % 256] = more[n % 300] = 3;
    spin(2000);
    return fixed(n) + room[n % 256] + more[0];
}

__attribute__((noinline)) static long variable(unsigned long n)
{
    volatile char room[n % 500 + 1];

    room[n % 500] = 4;
    spin(2000);
    return fixed(n) + room[n % 500];
}

__attribute__((noinline)) static long recursive(long n)
{
    if (n > 0)
        return recursive(n - 1) + 1;
    spin(4000);
    return aligned(sink & 1023);
}

static int compare(const void *a, const void *b)
{
    spin(300);
    return *(const unsigned char *)a - *(const unsigned char *)b;
}

__attribute__((noinline)) static long sorting(void)
{
    unsigned char v[24];

    for (size_t i = 0; i < sizeof(v); i++)
        v[i] = (unsigned char)(sink >> i);
    qsort(v, sizeof(v), 1, compare);
    return v[3];
}

static void on_signal(int signal)
{
    spin(3000);
    fixed((unsigned long)signal);
}

__attribute__((noinline)) static long signalled(long n)
{
    raise(n & 1 ? SIGUSR1 : SIGUSR2);
    return n;
}

__attribute__((noinline)) static void jumps(long n)
{
    spin(1000);
    if (n)
        longjmp(env, 1);
}

__attribute__((noinline, noreturn)) static void leaves(void)
{
    spin(1000);
    longjmp(env, 1);
}

__attribute__((noinline)) static void ends(void) /* with the call */
{
    spin(500);
    leaves();
}

PLAIN __attribute__((noinline)) static long caught(long n)
{
    long before = mine->depth;

    if (!setjmp(env))
        n & 2 ? ends() : jumps(n);
    mine->depth = before;
    return n;
}

__attribute__((noinline)) static long deep(long n)
{
    if (n > 0)
        sink += (unsigned long)deep(n - 1); /* which no compiler makes a loop of */
    else
        spin(20000);
    return 1;
}

/* ---- calls that take the place of their caller, where the compiler optimizes ---- */

PLAIN __attribute__((noinline)) static long passes_on(unsigned long n)
{
    __cyg_profile_func_enter((void *)passes_on, NULL);
    spin(500);
    return variable(n);
}

static long (*volatile next)(unsigned long) = passes_on;

PLAIN __attribute__((noinline)) static long passes(unsigned long n)
{
    __cyg_profile_func_enter((void *)passes, NULL);
    spin(500);
    return next(n);
}

PLAIN __attribute__((noinline)) static long tails(unsigned long n)
{
    long before = mine->depth, r = passes(n);

    mine->depth = before;
    return r;
}

/* ---- slots of the linkage table, as the dynamic linker leaves them until the first call ---- */

extern ElfW(Dyn) _DYNAMIC[] __attribute__((weak, visibility("hidden")));
static struct slot {
    void **at, *unbound;
} slots[SLOTS_MAX];
static int n_slots;

PLAIN static int bias_of(struct dl_phdr_info *info, size_t size, void *bias)
{
    (void)size;
    *(uintptr_t *)bias = info->dlpi_addr;
    return 1; /* the first is the program */
}

PLAIN static void find_slots(void)
{
    uintptr_t bias = 0, table = 0;
    size_t size = 0;

    dl_iterate_phdr(bias_of, &bias);
    for (const ElfW(Dyn) *d = _DYNAMIC; d && d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_JMPREL)
            table = d->d_un.d_ptr;
        if (d->d_tag == DT_PLTRELSZ)
            size = d->d_un.d_val;
    }
    const ElfW(Rela) *r = (const ElfW(Rela) *)(table < bias ? table + bias : table);

    for (size_t i = 0; i < size / sizeof(*r) && n_slots < SLOTS_MAX; i++)
        if (ELF64_R_TYPE(r[i].r_info) == R_X86_64_JUMP_SLOT) {
            void **at = (void **)(r[i].r_offset + bias);

            slots[n_slots++] = (struct slot){at, *at};
        }
}

__attribute__((noinline)) static long lazy(unsigned n)
{
    long r = 0;

    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < n_slots; k++)
            *(void *volatile *)slots[k].at = slots[k].unbound;
        r += rand_r(&n) + strtol("12", NULL, 10) + strcoll("a", "b") + (getenv("none") != NULL);
    }
    return r;
}

/* ---- coroutines ---- */

#ifdef __GLIBC__
static __thread ucontext_t outer, inner;
static __thread char *room;

PLAIN __attribute__((noinline)) static void suspend(void)
{
    mine->moving = 1;
    BARRIER();
    swapcontext(&inner, &outer);
    BARRIER();
    mine->moving = 0;
}

__attribute__((noinline)) static void inside(void)
{
    growing(100);
    suspend();
    fixed(200);
}

PLAIN static void begins(void)
{
    mine->moving = 0;
    inside();
    mine->moving = 1;
    BARRIER();
}

PLAIN __attribute__((noinline)) static void resume(int suspended)
{
    long before = mine->depth;

    mine->moving = 1;
    BARRIER();
    mine->base = before;
    if (suspended)
        __cyg_profile_func_enter((void *)inside, NULL);
    swapcontext(&outer, &inner);
    mine->depth = before;
    mine->base = 0;
    BARRIER();
    mine->moving = 0;
}

__attribute__((noinline)) static void coroutine(void)
{
    enum { ROOM = 65536 };

    if (!room)
        room = malloc(ROOM);
    getcontext(&inner);
    inner.uc_stack.ss_sp = room;
    inner.uc_stack.ss_size = ROOM;
    inner.uc_link = &outer;
    makecontext(&inner, begins, 0);
    resume(0);
    resume(1);
}
#else
PLAIN static void coroutine(void)
{
}
#endif

/* ---- libraries that come and go ---- */

static const char *const *plugins; /* two, or NULL */

__attribute__((noinline)) static long plugged(time_t now)
{
    static time_t last;
    static long (*through)(long (*)(unsigned long), unsigned long);
    static void *plugin;

    if (now != last) {
        last = now;
        if (plugin)
            dlclose(plugin);
        plugin = dlopen(plugins[now % 2], RTLD_NOW);
        through = NULL;
        if (plugin)
            through = (long (*)(long (*)(unsigned long), unsigned long))dlsym(plugin, "through");
    }
    return through ? through(aligned, (unsigned long)now) : 0;
}

static clock_t until; /* of the process's own time, as others may take the machine's */

static long turn(long n)
{
    coroutine();
    if (n % TURNS_OF_A_DEEP_ONE == 0)
        deep(DEEP);
    if (plugins && mine == &shadows[0])
        plugged(time(NULL));
    return recursive(n % 20) + sorting() + signalled(n) + caught(n) +
           aligned_growing((unsigned long)n) + variable((unsigned long)n) +
           tails((unsigned long)n) + lazy((unsigned)n);
}

PLAIN static void *work(void *shadow)
{
    mine = shadow;
    mine->thread = gettid();
    for (long n = 0; clock() < until; n++)
        turn(n);
    return NULL;
}

PLAIN int main(int argc, char **argv)
{
    stack_t other = {.ss_sp = malloc(65536), .ss_size = 65536};
    struct sigaction a = {.sa_handler = on_signal};
    pthread_t thread;

    find_slots();
    if (argc > 3)
        plugins = (const char *const *)argv + 2;
    until = (argc > 1 ? atol(argv[1]) : 1) * CLOCKS_PER_SEC;
    sigaltstack(&other, NULL);
    sigaction(SIGUSR1, &a, NULL);
    a.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR2, &a, NULL);
    pthread_create(&thread, NULL, work, &shadows[1]);
    work(&shadows[0]);
    pthread_join(thread, NULL);
    return 0;
}
