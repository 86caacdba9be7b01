/* A program for another machine: never run, only looked into. */
struct pair { long a, b; };
struct large { long a, b, c; };
struct floats { double x, y; };
struct one { double x; };
struct node { struct node *next; long value; } node = {&node, 42};
long seen = 7;

__attribute__((noinline)) long first(long a, int b, const char *s, unsigned char c, struct node *n,
                                     short d)
{
    __asm__ volatile("" ::: "memory");
    return a + b + *s + c + n->value + d;
}

/* Floating point has registers of its own; a large structure is passed by its address. */
__attribute__((noinline)) long mixed(double x, long a, struct large large, struct floats f,
                                     struct pair p, struct one o, long b)
{
    __asm__ volatile("" ::: "memory");
    return a + large.c + p.a + p.b + b + (long)x + (long)f.y + (long)o.x;
}

/* A pair that does not fit into the last register goes to the stack, and what is behind it, too. */
__attribute__((noinline)) long many(long a, long b, long c, long d, long e, long f, long g,
                                    struct pair p, long last, char small, int end)
{
    __asm__ volatile("" ::: "memory");
    return a + b + c + d + e + f + g + p.a + last + small + end;
}

/* What is 16 bytes at once begins at an even register. */
__attribute__((noinline)) long even(long a, __int128 wide, long b)
{
    __asm__ volatile("" ::: "memory");
    return a + (long)wide + b;
}

__attribute__((noinline)) struct large give(long a)
{
    struct large l = {a, a, seen};
    __asm__ volatile("" ::: "memory");
    return l;
}

int main(int argc, char **argv)
{
    struct large l = {1, 2, 3};
    struct floats f = {1, 2};
    struct pair p = {1, 2};
    struct one o = {1};

    return (int)(first(argc, 2, argv[0], 3, &node, 4) + mixed(1, 2, l, f, p, o, 3) +
                 many(1, 2, 3, 4, 5, 6, 7, p, 8, 9, 10) + even(1, argc, 2) + give(1).c);
}
