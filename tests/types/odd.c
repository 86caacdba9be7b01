/*
 * odd: every odd kind of layout. Compiled with -g it is what "ngstap types" reads; run, it prints
 * one _Static_assert for each member, as this compiler laid it out: what tests/types.sh tries on
 * the header. A bit field's place is found by setting it in a cleared struct; a header has its own
 * such check.
 */
#include <complex.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct bits {
    char first;
    int a : 3;
    unsigned b : 17;
    int : 5;
    long c : 40;
    unsigned d : 30; /* the next unit */
    unsigned : 0;
    _Bool e : 1;
    unsigned char f : 7, g : 2;
    short h : 9;
    unsigned long long i : 64;
    enum small { SMALL_A, SMALL_B } j : 2;
    char last;
};

struct packed_bits {
    char first;
    unsigned a : 30;
    unsigned b : 5; /* crosses a unit */
    unsigned long c : 63;
    char last;
} __attribute__((packed));

struct packed {
    char a;
    int b;
    struct {
        char x;
        long y;
    } c;
    double d;
    short e[3];
} __attribute__((packed));

struct packed_aligned {
    char a;
    long b;
    char c;
} __attribute__((packed, aligned(4)));

struct packed_member {
    char a;
    int b __attribute__((packed));
    long c;
};

struct aligned {
    char a;
    int b __attribute__((aligned(16)));
    char c;
} __attribute__((aligned(64)));

struct aligned_in {
    char a;
    struct aligned b;
    char c;
    struct packed d;
    struct aligned e[2];
    struct packed_aligned f;
};

typedef unsigned long __attribute__((aligned(4))) loose_long;
typedef int __attribute__((aligned(32))) strict_int;

struct typedef_aligned {
    int a;
    loose_long b;
    char c;
    strict_int d;
    char e;
};

struct anonymous {
    int kind;
    union {
        struct {
            int x, y;
        };
        struct {
            char bytes[3];
            union {
                short deep;
                long deeper;
            };
        };
        double value;
    };
    struct {
        int in;
        struct {
            char inner;
        } named;
    } part, parts[2][3];
    enum { HERE_A = 5, HERE_B } here;
};

enum negative { NEG_A = -5, NEG_B, NEG_C = 7 };
enum huge { HUGE_A = 0x123456789abcdefLL, HUGE_B = 1 };
enum huge_unsigned { HUGEU_A = 0xffffffffffffffffULL, HUGEU_B = 1 };
enum huge_negative { HUGEN_A = (-0x7fffffffffffffffLL - 1), HUGEN_B = 4 };
enum top { TOP_A = 0xffffffffU };
enum tiny { TINY_A, TINY_B = 200 } __attribute__((packed));
enum tiny_negative { TINYN_A = -1, TINYN_B = 200 } __attribute__((packed));

struct enums {
    char pad;
    enum negative a;
    char pad2;
    enum huge b;
    enum huge_unsigned c;
    enum huge_negative d;
    enum top e;
    enum tiny f;
    enum tiny_negative g;
    char last;
};

struct unknown;
union odd_union;
struct later;
typedef int callback(struct later *, const char *format, ...);
typedef callback *callback_ptr;
typedef callback_ptr table[4];
typedef int grid[2][3];

struct pointers {
    int (*to_array)[4];
    struct unknown *opaque;
    int (*functions[3])(int, char *);
    int (*(*returns)(int (*)(void), double))[5];
    void (*unspecified)();
    callback *function;
    callback_ptr pointer;
    table functions_again;
    const char *const *volatile strings;
    char *restrict alias;
    void *anything[2][2];
    grid *grids;
    grid held;
    struct pointers *self;
    void (*with_struct)(struct later by_value, union odd_union *e);
    _Atomic int atomic;
    volatile const int readonly;
};

struct later {
    struct pointers *back;
    char rest[3];
};

struct flexible {
    int n;
    char tail[];
};

struct zero {
    int n;
    long none[0];
    char after;
    struct {
    } empty;
    short last[0];
};

struct holds_flexible {
    long a;
    struct flexible f;
};

typedef struct {
    int a;
    char b;
} unnamed;
typedef const unnamed const_unnamed;
typedef const_unnamed chain_a;
typedef volatile chain_a chain_b;
typedef chain_b chain_c[3];
typedef struct {
    char tag;
} clash;
struct clash {
    long other;
};
typedef union {
    char c;
    unnamed u;
} unnamed_union;
typedef struct node {
    struct node *next;
    unnamed *u;
    unnamed_union *uu;
} * node_ptr;

struct typedefs {
    unnamed a;
    chain_a b;
    chain_c c;
    node_ptr d;
    unnamed_union e;
    clash f;
    struct clash g;
    struct node h;
};

struct words { /* no keywords in C, or only in another standard */
    int class, new, this, template, delete, private, virtual, operator, namespace;
    int bool_, true_, nullptr_;
};

struct bases {
    _Bool a;
    char b;
    signed char c;
    long double d;
    char e;
    __int128 f;
    char g;
    unsigned __int128 h;
    _Complex float i;
    char j;
    _Complex double k;
    float l;
    long long m;
    unsigned short n;
    wchar_t o;
};

union odd_union {
    char a[5];
    int b : 7;
    short c;
    struct {
        char x;
    } d;
};

union packed_union {
    char a[5];
    int b;
} __attribute__((packed));

struct unions {
    char first;
    union odd_union a;
    char b;
    union packed_union c;
    char last;
};

/* A name for each, so that the compiler describes it. */
struct everything {
    struct bits bits;
    struct packed_bits packed_bits;
    struct packed packed;
    struct packed_aligned packed_aligned;
    struct packed_member packed_member;
    struct aligned aligned;
    struct aligned_in aligned_in;
    struct typedef_aligned typedef_aligned;
    struct anonymous anonymous;
    struct enums enums;
    struct pointers pointers;
    struct zero zero;
    struct typedefs typedefs;
    struct words words;
    struct bases bases;
    struct unions unions;
    struct holds_flexible holds_flexible;
} everything;

#define SIZE(type)                                                                                 \
    printf("_Static_assert(sizeof(" #type ") == %zu, \"sizeof " #type "\");\n", sizeof(type))
#define AT(type, member)                                                                           \
    printf("_Static_assert(__builtin_offsetof(" #type ", " #member ") == %zu, \"" #type            \
           "." #member "\");\n",                                                                   \
           offsetof(type, member))
#define MEMBER(type, member)                                                                       \
    (AT(type, member), printf("_Static_assert(sizeof(((" #type " *)0)->" #member                   \
                              ") == %zu, \"sizeof " #type "." #member "\");\n",                    \
                              sizeof(((type *)0)->member)))
#define VALUE(name)                                                                                \
    printf("_Static_assert(" #name " == %lldLL, \"" #name "\");\n", (long long)(name))
/* The bytes of TYPE when all bits of MEMBER are set: a check at run time, in a function of the
 * header's program. */
#define BITS(type, member)                                                                         \
    do {                                                                                           \
        type s;                                                                                    \
        memset(&s, 0, sizeof(s));                                                                  \
        s.member = -1;                                                                             \
        printf("BITS(" #type ", " #member ", \"");                                                 \
        for (size_t i = 0; i < sizeof(s); i++)                                                     \
            printf("%02x", ((unsigned char *)&s)[i]);                                              \
        puts("\")");                                                                               \
    } while (0)

static void asserts(void)
{
    SIZE(struct bits), AT(struct bits, first), AT(struct bits, last);
    SIZE(struct packed_bits), AT(struct packed_bits, last);
    SIZE(struct packed), MEMBER(struct packed, a), MEMBER(struct packed, b),
        MEMBER(struct packed, c);
    MEMBER(struct packed, c.x), MEMBER(struct packed, c.y), MEMBER(struct packed, d),
        MEMBER(struct packed, e);
    SIZE(struct packed_aligned), MEMBER(struct packed_aligned, b), MEMBER(struct packed_aligned, c);
    SIZE(struct packed_member), MEMBER(struct packed_member, b), MEMBER(struct packed_member, c);
    SIZE(struct aligned), MEMBER(struct aligned, b), MEMBER(struct aligned, c);
    SIZE(struct aligned_in), MEMBER(struct aligned_in, b), MEMBER(struct aligned_in, c);
    MEMBER(struct aligned_in, d), MEMBER(struct aligned_in, e[1]), MEMBER(struct aligned_in, f);
    SIZE(struct typedef_aligned), MEMBER(struct typedef_aligned, b),
        MEMBER(struct typedef_aligned, c);
    MEMBER(struct typedef_aligned, d), MEMBER(struct typedef_aligned, e);
    SIZE(struct anonymous), MEMBER(struct anonymous, kind), MEMBER(struct anonymous, x),
        MEMBER(struct anonymous, y);
    MEMBER(struct anonymous, bytes), MEMBER(struct anonymous, deep),
        MEMBER(struct anonymous, deeper);
    MEMBER(struct anonymous, value), MEMBER(struct anonymous, part),
        MEMBER(struct anonymous, part.named.inner);
    MEMBER(struct anonymous, parts), MEMBER(struct anonymous, parts[1][2].named),
        MEMBER(struct anonymous, here);
    SIZE(struct enums), MEMBER(struct enums, a), MEMBER(struct enums, b), MEMBER(struct enums, c);
    MEMBER(struct enums, d), MEMBER(struct enums, e), MEMBER(struct enums, f),
        MEMBER(struct enums, g);
    AT(struct enums, last);
    VALUE(SMALL_B), VALUE(HERE_A), VALUE(HERE_B), VALUE(NEG_A), VALUE(NEG_B), VALUE(NEG_C),
        VALUE(HUGE_A);
    VALUE(HUGE_B), VALUE(HUGEU_B), VALUE(HUGEN_B), VALUE(TOP_A), VALUE(TINY_A), VALUE(TINY_B),
        VALUE(TINYN_A);
    puts("_Static_assert(HUGEU_A == 0xffffffffffffffffULL, \"HUGEU_A\");");
    puts("_Static_assert(HUGEN_A == -0x7fffffffffffffffLL - 1, \"HUGEN_A\");");
    VALUE(TINYN_B);
}

static void more_asserts(void)
{
    SIZE(struct pointers), MEMBER(struct pointers, to_array);
    MEMBER(struct pointers, opaque), MEMBER(struct pointers, functions),
        MEMBER(struct pointers, returns);
    MEMBER(struct pointers, unspecified), MEMBER(struct pointers, function),
        MEMBER(struct pointers, pointer);
    MEMBER(struct pointers, functions_again), MEMBER(struct pointers, strings),
        MEMBER(struct pointers, alias);
    MEMBER(struct pointers, anything), MEMBER(struct pointers, grids),
        MEMBER(struct pointers, held);
    MEMBER(struct pointers, held[1]), MEMBER(struct pointers, self),
        MEMBER(struct pointers, with_struct);
    MEMBER(struct pointers, atomic), MEMBER(struct pointers, readonly);
    SIZE(struct flexible), AT(struct flexible, n), AT(struct flexible, tail);
    SIZE(struct holds_flexible), MEMBER(struct holds_flexible, f), SIZE(struct zero),
        AT(struct zero, none);
    AT(struct zero, after), AT(struct zero, empty), AT(struct zero, last);
    SIZE(struct typedefs), MEMBER(struct typedefs, a), MEMBER(struct typedefs, b),
        MEMBER(struct typedefs, c);
    MEMBER(struct typedefs, d), MEMBER(struct typedefs, e), MEMBER(struct typedefs, f),
        MEMBER(struct typedefs, g);
    MEMBER(struct typedefs, h), SIZE(clash), SIZE(struct clash), SIZE(unnamed), SIZE(chain_c);
    SIZE(struct words), MEMBER(struct words, class), MEMBER(struct words, operator),
        MEMBER(struct words, nullptr_);
    SIZE(struct bases), MEMBER(struct bases, a), MEMBER(struct bases, b), MEMBER(struct bases, c);
    MEMBER(struct bases, d), MEMBER(struct bases, f), MEMBER(struct bases, h),
        MEMBER(struct bases, i);
    MEMBER(struct bases, k), MEMBER(struct bases, l), MEMBER(struct bases, m),
        MEMBER(struct bases, n);
    MEMBER(struct bases, o), SIZE(union odd_union), SIZE(union packed_union), SIZE(struct unions);
    MEMBER(struct unions, a), MEMBER(struct unions, b), MEMBER(struct unions, c),
        MEMBER(struct unions, last);
    SIZE(struct everything), AT(struct everything, anonymous), AT(struct everything, unions);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1) {
        asserts();
        more_asserts();
        return 0;
    }
    BITS(struct bits, a);
    BITS(struct bits, b);
    BITS(struct bits, c);
    BITS(struct bits, d);
    BITS(struct bits, e);
    BITS(struct bits, f);
    BITS(struct bits, g);
    BITS(struct bits, h);
    BITS(struct bits, i);
    BITS(struct bits, j);
    BITS(struct packed_bits, a);
    BITS(struct packed_bits, b);
    BITS(struct packed_bits, c);
    BITS(union odd_union, b);
    return 0;
}
