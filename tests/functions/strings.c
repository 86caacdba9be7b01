/*
 * strings: cases for functions on strings, and what C's library says of them. strings SEED script:
 * statements of a handler; strings SEED want: what they print.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CASES = 12, LONGEST = 2000 };

static uint64_t state;

static unsigned below(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

static void make(char *s, unsigned len)
{
    static const char letters[] = "aabbcAZz@[`{ -,\x7f\xc3\xff";

    for (unsigned k = 0; k < len; k++)
        s[k] = letters[below(sizeof(letters) - 1)];
    s[len] = '\0';
}

static void literal(const char *s)
{
    putchar('"');
    for (; *s; s++)
        printf(isalnum((unsigned char)*s) ? "%c" : "\\%03o", (unsigned char)*s);
    putchar('"');
}

static void replaced(const char *s, const char *from, const char *to)
{
    const char *p;

    for (; *from && (p = strstr(s, from)); s = p + strlen(from))
        printf("%.*s%s", (int)(p - s), s, to);
    printf("%s", s);
}

static void script(const char *s, const char *part, const char *to, unsigned start, unsigned len,
                   const char *number, int base)
{
    printf("s = ");
    literal(s);
    printf("; part = ");
    literal(part);
    printf("; to = ");
    literal(to);
    printf("\nprintln(strpos(s, part), \"|\", isinstr(s, part), \"|\", substr(s, %u, %u))\n", start,
           len);
    printf("println(toupper(s), \"|\", tolower(s), \"|\", stringat(s . \"x\", %u))\n",
           start % (unsigned)(strlen(s) + 1));
    printf("println(str_replace(s, part, to))\n");
    printf("println(str_replace(");
    literal(s);
    printf(", ");
    literal(part);
    printf(", \"\"))\n");
    printf("for (t = tokenize(s, part); t != \"\"; t = tokenize(part)) print(t, \"|\")\n");
    printf("println(strtol(\"%s\", %d), isdigit(s))\n", number, base);
}

static void want(const char *s, const char *part, const char *to, unsigned start, unsigned len,
                 const char *number, int base)
{
    const char *p = strstr(s, part);
    size_t n = strlen(s);
    uint64_t v = 0;
    char copy[LONGEST + 1];

    printf("%d|%d|%.*s\n", p ? (int)(p - s) : -1, p != NULL, start < n ? (int)len : 0,
           start < n ? s + start : "");
    for (size_t k = 0; k < n; k++)
        putchar((unsigned char)s[k] < 128 ? toupper((unsigned char)s[k]) : s[k]);
    putchar('|');
    for (size_t k = 0; k < n; k++)
        putchar((unsigned char)s[k] < 128 ? tolower((unsigned char)s[k]) : s[k]);
    printf("|%d\n", start % (n + 1) == n ? 'x' : (signed char)s[start % (n + 1)]);
    replaced(s, part, to);
    putchar('\n');
    replaced(s, part, "");
    putchar('\n');
    strcpy(copy, s);
    for (char *t = strtok(copy, part); t; t = strtok(NULL, part))
        printf("%s|", t);
    for (p = number + (*number == '-'); *p; p++) /* no number here is one for strtoull() */
        v = v * (uint64_t)base + (uint64_t)(isdigit((unsigned char)*p) ? *p - '0' : *p - 'a' + 10);
    printf("%lld%d\n", (long long)(*number == '-' ? -v : v), isdigit((unsigned char)*s) != 0);
}

int main(int argc, char **argv)
{
    state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    for (int k = 0; k < CASES; k++) {
        static const int bases[] = {2, 8, 10, 16};
        char s[LONGEST + 1], part[32], to[32], number[80];
        int base = bases[below(4)];
        unsigned n = below(4) ? below(40) : k == 1 ? LONGEST : below(700), digits = 1 + below(63);

        make(s, n);
        if (n > 10 && below(3))
            sprintf(part, "%.*s", (int)(1 + below(9)), s + below(n - 9));
        else
            make(part, below(5));
        make(to, below(6));
        for (unsigned d = 0; d < digits; d++)
            number[d] = "0123456789abcdef"[below((unsigned)base)];
        number[0] = below(2) ? '-' : '1';
        number[digits] = '\0';
        (argc > 2 && !strcmp(argv[2], "script") ? script : want)(s, part, to, below(n + 3),
                                                                 below(n + 3), number, base);
    }
    return 0;
}
