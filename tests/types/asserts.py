# Run by gdb on a module with debug information: for each struct and union that the header $HEADER
# defines, a _Static_assert for its size and for the offset and size of each member, by gdb's own
# reading; and, for bit fields, a check at run time that exactly their bits are set. Prints a C
# program that includes the header.
import os
import re

import gdb

header = os.environ["HEADER"]
renames = dict(r.split("=") for r in os.environ.get("RENAMES", "").split())
real = {new: old for old, new in renames.items()}
CODES = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)
out, checks, n = [], [], 0


def find(kind, tag):
    # A tag may be made of a typedef's name.
    for name in (f"{kind} {tag}", tag.removesuffix("__unnamed")):
        try:
            t = gdb.lookup_type(name).strip_typedefs()
        except gdb.error:
            continue
        if t.code in CODES and t.fields():
            return t
    return None


def members(cname, path, t, base):
    global n
    for f in t.fields():
        kind = f.type.strip_typedefs()
        bit = base + f.bitpos
        if not f.name:
            members(cname, path, kind, bit)
            continue
        name = path + f.name
        n += 1
        if f.bitsize:
            checks.append(f"    BITS({cname}, {name}, {bit}, {f.bitsize});")
            continue
        out.append(f'_Static_assert(__builtin_offsetof({cname}, {name}) == {bit // 8}, "{cname}.{name}");')
        # gdb takes an array without a bound for one of 1 or 0 elements.
        if kind.code != gdb.TYPE_CODE_ARRAY or kind.range()[1] > 0:
            out.append(f'_Static_assert(sizeof((({cname} *)0)->{name}) == {kind.sizeof}, "size of {cname}.{name}");')
        if kind.code in CODES and not kind.tag:
            members(cname, name + ".", kind, bit)


records = 0
for kind, tag in re.findall(r"^(struct|union) (\w+) \{", open(header).read(), re.M):
    t = find(kind, real.get(tag, tag))
    if t is None:
        print(f"#error gdb does not know {kind} {tag}")
        continue
    records += 1
    out.append(f'_Static_assert(sizeof({kind} {tag}) == {t.sizeof}, "sizeof {kind} {tag}");')
    members(f"{kind} {tag}", "", t, 0)

print(f'#include "{header}"\n#include <stdio.h>\n#include <string.h>')
print("\n".join(out))
print("""static int bad;
static inline int is_set(const unsigned char *p, unsigned long at, unsigned long bit,
                         unsigned long size)
{
    return (p[at / 8] >> at % 8 & 1) == (at >= bit && at < bit + size);
}
#define BITS(type, member, bit, size) do { \\
    static type s; \\
    memset(&s, 0, sizeof(s)); \\
    s.member = -1; \\
    for (unsigned long at = 0; at < sizeof(s) * 8; at++) \\
        if (!is_set((const unsigned char *)&s, at, bit, size)) { \\
            bad = 1; \\
            puts(#type "." #member); \\
            break; \\
        } \\
    } while (0)
int main(void)
{""")
print("\n".join(checks))
print(f'    printf("{records} records, {n} members\\n");\n    return bad;\n}}')
