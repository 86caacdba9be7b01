"""
raw.py RAW FILE: what "protoc --decode_raw" says of a profile (RAW), which knows no names of fields,
against what wire.py says: as many entries in each table, the same texts, the same values.
"""
import re
import sys

import wire


def parse(lines):
    """A list of (number, text or list) of a message; ends at its brace."""
    out = []
    for line in lines:
        line = line.strip()
        if line == "}":
            break
        if line.endswith("{"):
            out.append((int(line.split()[0]), parse(lines)))
        else:
            number, value = line.split(": ", 1)
            out.append((int(number), value))
    return out


def those(message, number):
    return [value for n, value in message if n == number]


def unescaped(text):
    def one(m):
        c = m.group(1)
        return bytes([int(c, 8)]) if c.isdigit() else \
            {"n": b"\n", "r": b"\r", "t": b"\t"}.get(c, c.encode())
    return re.sub(rb"\\([0-7]{3}|.)", lambda m: one(re.match(r"(.*)", m.group(1).decode())),
                  text[1:-1].encode())


with open(sys.argv[1], encoding="utf-8") as f:
    raw = parse(iter(f))
with open(sys.argv[2], "rb") as f:
    request = wire.otlp(f.read())
dictionary = those(raw, 2)[0]
names = list(request["dictionary"])
for number, name in enumerate(names, 1):
    have, want = len(those(dictionary, number)), len(request["dictionary"][name])
    assert have == want, f"{name}: {have} entries, not {want}"
texts = [unescaped(t).decode() for t in those(dictionary, 5) if isinstance(t, str)]
for text in texts:
    assert text in request["dictionary"]["string_table"], text
assert len(texts) > 3
profile = those(those(those(raw, 1)[0], 2)[0], 2)[0]
samples = those(profile, 2)
wanted = request["resource_profiles"][0]["scope_profiles"][0]["profiles"][0]["samples"]
assert [int(those(s, 1)[0]) for s in samples] == [s["stack_index"] for s in wanted]
seen = 0
for sample, want in zip(samples, wanted):
    packed = those(sample, 4)[0]
    if isinstance(packed, str):  # the bytes may look like a message
        value, end = wire.varint(unescaped(packed), 0)
        assert [value] == want["values"] and end == len(unescaped(packed)), (packed, want)
        seen += 1
assert seen * 2 > len(samples), f"{seen} of {len(samples)} values"
