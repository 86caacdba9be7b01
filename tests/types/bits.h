/* What goes between a header and the lines that "odd bits" prints: a program that sets the same
 * bits. */
#include <stdio.h>
#include <string.h>

#define BITS(type, member, want)                                          \
    do {                                                                  \
        type s;                                                           \
        char text[2 * sizeof(s) + 1];                                     \
        memset(&s, 0, sizeof(s));                                         \
        s.member = -1;                                                    \
        for (size_t i = 0; i < sizeof(s); i++)                            \
            sprintf(text + 2 * i, "%02x", ((unsigned char *)&s)[i]);      \
        if (strcmp(text, want)) {                                         \
            puts(#type "." #member);                                      \
            bad = 1;                                                      \
        }                                                                 \
    } while (0);

int main(void)
{
    int bad = 0;
