/*
 * A target that knows what a script should find: it waits for a line on its standard input, calls
 * step() 40 times, with a list and a word each time, and prints what calls.stp prints.
 */
#include <stdio.h>
#include <string.h>

struct item {
    struct item *next;
    long value;
    signed bits : 5;
    unsigned char kind;
    char name[16];
};

__attribute__((noinline)) int step(int n, struct item *list, const char *word)
{
    __asm__ volatile("" : : "r"(list), "r"(word) : "memory");
    return n + 1;
}

static long quotient, sum, collatz, kinds[4];
static unsigned hash = 5381;
static struct item items[20];
static char names[512];

static void account(int n, const struct item *list, const char *word)
{
    for (const struct item *i = list; i; i = i->next) {
        sum += i->value * i->bits;
        quotient += i->value / (i->bits ? i->bits : 7) + i->value % 7;
        kinds[i->kind]++;
    }
    for (const char *p = word; *p; p++)
        hash = hash * 33 + (unsigned char)*p;
    for (long x = n + 1; x != 1; x = x % 2 ? 3 * x + 1 : x / 2)
        collatz++;
}

int main(void)
{
    static const char *const words[] = {"alpha", "", "beta gamma",
                                        "a longer word, of thirty-six letters", "z"};
    int n = 0;

    for (int i = 19; i >= 0; i--) {
        items[i] = (struct item){.next = i < 19 ? &items[i + 1] : NULL,
                                 .value = (i - 9) * 1000003L * i,
                                 .bits = i % 32 - 10,
                                 .kind = (unsigned char)(i % 4)};
        snprintf(items[i].name, sizeof(items[i].name), "item-%d", i);
    }
    for (int i = 0; i < 20; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s,", items[i].name);
    getchar();
    while (n < 40) {
        const struct item *list = &items[n % 20];
        const char *word = words[n % 5];

        account(n, list, word);
        n = step(n, (struct item *)list, word);
    }
    printf("calls %d\nsum %ld\nquotient %ld\nhash %u\ncollatz %ld\n", n, sum, quotient, hash,
           collatz);
    for (int i = 0; i < 4; i++)
        printf("kind %d: %ld\n", i, kinds[i]);
    printf("names %s\n", names);
    for (int i = 0; i < 5; i++)
        printf("word '%s': 8\n", words[i]);
    return 0;
}
