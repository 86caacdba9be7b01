#!/bin/bash
# Makes inputs to begin with, for a fuzzer or the replay: seeds.sh FOLDER, which gets a folder for
# each reader. What is text is in the sources already; files of a form are made here, by a compiler,
# and by ngstap itself ($ngstap).
set -euo pipefail
top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
mkdir -p "$1"
cd "$1"
mkdir -p elf debug pack unwind object stacks pprof lua conf maps mountinfo script words answers
cc=${CC:-cc}

cat >small.c <<'C'
#include <stdio.h>
enum colour { RED, GREEN = 5 };
struct list {
    struct list *next;
    const char *name;
    enum colour c;
    unsigned bits : 3, more : 5;
    union { int i; double d; } u[3];
};
typedef struct list list_t;
static list_t first = {.name = "x"};
list_t *head = &first;
static inline __attribute__((always_inline)) int twice(int n) { return n * 2; }
__attribute__((noinline)) int visit(list_t *l, int n, const char *s, double d)
{
    int local = n * 2;
    volatile char room[16 + n];
    room[0] = *s;
    return (int)d + room[0] + local + twice(n) + l->c;
}
int main(int argc, char **argv) { printf("%d\n", visit(head, argc, argv[0], 1.0)); return 0; }
C
cat >marks.s <<'S'
    .text
mark: nop
    .section .note.stapsdt,"?","note"
    .balign 4
    .4byte 8, end - start, 3
    .asciz "stapsdt"
start: .8byte mark, 0, 0
    .asciz "p"
    .asciz "n"
    .asciz "-4@%eax 8@-16(%rbp) 8@counter+8(%rip) 1@$-5 8@(%rax,%rbx,8)"
end: .balign 4
    .section .note.GNU-stack,"",@progbits
S
for form in "-O1 -gdwarf-5" "-O2 -gdwarf-4 -fno-omit-frame-pointer" "-O0 -gdwarf-5 -gz"; do
    # shellcheck disable=SC2086
    $cc -w $form -Wl,--build-id=0xdeadbeef small.c marks.s -o "debug/small-${form//[^a-zA-Z0-9]/}"
done
$cc -w -O1 small.c marks.s -o elf/small -Wl,-s,--build-id
cp "debug/small-O1gdwarf5" elf/
objcopy -O binary --only-section=.eh_frame --set-section-flags .eh_frame=alloc elf/small \
    unwind/eh_frame
cp elf/small unwind/
"$ngstap" pack debug/small-O1gdwarf5 -o pack/small.pack >/dev/null 2>&1
# The module that the reader makes has this build-id.
printf '!<arch>\ndeadbeef.debug/ 0           0     0     100644  %-10d`\n' \
    "$(stat -c %s debug/small-O1gdwarf5)" | cat - debug/small-O1gdwarf5 >pack/right.pack
cat >count.stp <<'S'
global a
probe timer.profile { a[pid()] <<< 1 }
probe end { foreach (p in a-) printf("%d %d\n", p, @count(a[p])) }
S
(cd object && "$ngstap" -p4 -m count ../count.stp >/dev/null 2>&1)
for one in "$top"/tests/sxx/*/input.sxx; do
    name=${one%/input.sxx}
    cp "$one" "script/${name##*/}.sxx"
done
cp "$top"/samples/*.sxx "$top"/tests/parse-ok/*.stp script
cat /proc/self/maps >maps/self
head -c 8000 /proc/self/mountinfo >mountinfo/self
printf 'usr/sbin/nginx' >words/plain
# As src/target/flat.c and src/stap/checked.c have them: two symbols; a script with a point.
# shellcheck disable=SC2016,SC2059 # scripts have dollars; bytes are escapes of the format
{
    zero='\0\0\0' long='\0\0\0\0\0\0\0'
    symbols="\\2$zero\\0$zero\\4$long"
    symbols+="\\20$long\\1$long\\0$long\\0$zero\\1$zero\\40$long\\1$long\\2$long\\0$zero\\3$zero"
    printf "u$symbols"'f\0g\0' >answers/symbols
    printf "s$symbols"'f\0g\0' >answers/sorted
    printf "f\\15$long\\3$long\\3$zero\\0$zero\\1$zero\\0$zero\\20$long"'/x\0probe end { }' \
        >answers/script
    printf '%s' 't%{ STAP_RETVALUE = 2 * STAP_ARG_x; %}' >answers/c
    printf '%s' 't# x' $'\n' 'probe process("/x").statement(0x10)!, process("/x").function("f")' \
        ' { n["a\"b"] <<< $x->y[1] == 2; println(@count(n), @const("A"), __ngs_base(0) + 0x10) }' \
        >answers/text
}
for one in "$top"/tests/out/*.txt; do
    name=${one##*/}
    "$ngstap" convert "$one" -o one.pb.gz && gzip -dc one.pb.gz >"pprof/${name%.txt}"
done
cp "$top"/tests/out/*.txt "$top"/tests/out/*.folded stacks
cp "$top/tests/targets/load/conf/nginx.conf" conf
printf 'http { server { location /a { content_by_lua_block { ngx.say("}") -- } \n} }\n' >conf/block
printf 'init_by_lua "a = 1 \\" b";\ninclude x*.conf;\nlua_package_path "/a/?.lua;;";\n' >conf/words
find "$top/tests" -name '*.lua' -size -9k -exec cp --backup=numbered -t lua {} +
rm -f small.c marks.s count.stp one.pb.gz
