/* object_test: WIP */
#include <stdio.h>
#include <string.h>
#include "object_fixture.h"
int main(int argc, char **argv)
{
    struct compile cx = fixture_compile(stderr);
    void *a, *b; size_t na, nb;
    if (!cg_write_elf(fixture_unit(&cx, argc > 2), &a, &na) || !cg_write_elf(fixture_unit(&cx, argc > 2), &b, &nb)) return 1;
    if (na != nb || memcmp(a,b,na)) { puts("not deterministic"); return 1; }
    FILE *f = fopen(argv[1], "w"); fwrite(a,1,na,f); fclose(f);
    fixture_free(&cx);
}
