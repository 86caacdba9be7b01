/*
 * target: what the scripts of tests/sema-ok and sema-ko look at: structures of every kind that a
 * target expression can go through, globals and statics, functions with parameters in registers. It
 * is compiled with debug information and never run.
 */
#include <stdint.h>
#include <stdlib.h>

#define KEPT __attribute__((noinline, noclone))

enum colour { RED, GREEN = 7, BLUE = 0x7fffffff };

struct inner {
    char name[16];
    int16_t small;
    unsigned flag : 1, two : 3, wide : 20;
    int negative : 4;
    unsigned long long far : 40;
};

union value {
    uint32_t word;
    uint8_t bytes[4];
    void *pointer;
    double real;
};

typedef struct node {
    struct node *next;
    int val;
    struct inner in;
    struct inner *pin;
    union value u;
    int arr[4];
    int16_t grid[2][3];
    struct {
        long hidden;
    };
    struct {
        signed char c;
    } named;
    enum colour colour;
    struct node **table;
    struct opaque *closed;
    void *anything;
    int (*call)(int);
    _Bool yes;
} node_t;

typedef struct node *node_p;

static node_t hidden_node = {.val = 5, .colour = BLUE};
node_t nodes[3];
node_t *head = &hidden_node;
node_p typed_head = &nodes[1];
const char *const banner = "target";
volatile uint64_t counter;

KEPT int work(node_t *n, int k, const char *s, unsigned char u, enum colour c)
{
    counter += (uint64_t)(n->val + k + s[0] + u) + c;
    return (int)counter;
}

KEPT node_t *find(node_t *from, long key)
{
    while (from && from->val != key)
        from = from->next;
    return from;
}

KEPT void nothing(void)
{
    counter++;
}

KEPT double real(double x, int after)
{
    return x * after;
}

static inline __attribute__((always_inline)) int only_inlined(int x)
{
    return x + (int)counter;
}

int main(int argc, char **argv)
{
    nothing();
    real(1.5, argc);
    find(head, only_inlined(argc));
    return work(head, argc, argv[0], (unsigned char)argc, GREEN);
}

/* As luajit2 has them, GC64. */
typedef struct GCRef { uint64_t gcptr64; } GCRef;
typedef struct MRef { uint64_t ptr64; } MRef;
typedef struct StrInternState { GCRef *tab; uint32_t mask, num; } StrInternState;
typedef struct global_State {
    long total; StrInternState str; GCRef cur_L; MRef jit_base;
} global_State;
global_State lua_global;

#ifdef __x86_64__
#define FIVE "$5"
#else
#define FIVE "5"
#endif

/* Marks as sys/sdt.h leaves them: shop:sold with an argument that can be read and one that cannot,
 * shop:opened without any. */
__asm__(".pushsection .note.stapsdt,\"\",%note\n"
        ".macro mark name, args\n"
        ".balign 4\n.4byte 8, 2f-1f, 3\n.asciz \"stapsdt\"\n"
        "1: .8byte main, 0, 0\n"
        ".asciz \"shop\"\n.asciz \"\\name\"\n.asciz \"\\args\"\n2: .balign 4\n"
        ".endm\n"
        "mark sold, \"-4@" FIVE " 8f@" FIVE "\"\n"
        "mark opened, \"\"\n"
        ".popsection");
