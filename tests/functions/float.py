# Statements that print what fp_*() give for numbers by chance, and what this machine's own
# floating point gives: float.py SEED COUNT STATEMENTS WANT. Bits are compared; no number is "nan".
import math
import random
import struct
import sys

random.seed(int(sys.argv[1]))
statements = open(sys.argv[3], "w")
want = open(sys.argv[4], "w")


def bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def double(b):
    return struct.unpack("<d", struct.pack("<Q", b))[0]


special = [0, 1 << 63, 0x7FF << 52, 0xFFF << 52, 1, 0x8000000000000001, 0xFFFFFFFFFFFFF, 1 << 52,
           0x7FEFFFFFFFFFFFFF] + [bits(x) for x in (1.0, -1.0, 0.5, 1.5, 2.5, -2.5)]


def number():
    kind = random.randrange(4)
    return (random.choice(special) if kind == 0 else random.getrandbits(64) if kind == 1 else
            bits(random.uniform(-1000, 1000)) if kind == 2 else
            bits(float(random.randint(-100000, 100000))))


def expect(call, x):
    statements.write("r = %s; if ((r & 0x7fffffffffffffff) > 0x7ff0000000000000) println(\"nan\"); "
                     "else printf(\"%%x\\n\", r)\n" % call)
    want.write("nan\n" if x != x else "%x\n" % bits(x))


def expect_text(call, text):
    statements.write("println(%s)\n" % call)
    want.write(text + "\n")


def divided(x, y):
    if y:
        return x / y
    return math.nan if not x else math.copysign(math.inf, x) * math.copysign(1, y)


def nearest_away(x):
    n = math.floor(abs(x) + 0.5) if abs(x) < 1 << 51 else int(abs(x))
    return n - 1 if abs(x) == 0.49999999999999994 else n


for _ in range(int(sys.argv[2])):
    a, b = number(), number()
    x, y = double(a), double(b)
    if x != x or y != y:
        continue
    two = "(0x%x, 0x%x)" % (a, b)
    expect("fp_add" + two, x + y)
    expect("fp_sub" + two, x - y)
    expect("fp_mul" + two, x * y)
    expect("fp_div" + two, divided(x, y))
    if math.isfinite(x) and y and math.frexp(x)[1] - math.frexp(y)[1] < 300:
        expect("fp_rem" + two, math.remainder(x, y))
    expect("fp_sqrt(0x%x)" % a, math.sqrt(x) if x >= 0 else math.nan)
    expect_text("fp_eq%s, fp_lt%s, fp_le%s" % (two, two, two), "%d%d%d" % (x == y, x < y, x <= y))
    n = random.getrandbits(random.randint(1, 63)) * random.choice((1, -1))
    expect("long_to_fp(%d)" % n, float(n))
    f = random.getrandbits(32)
    expect("fp32_to_fp64(0x%x)" % f, struct.unpack("<f", struct.pack("<I", f))[0])
    if abs(x) < 1 << 62:
        cut = math.trunc(x)
        odd = cut if cut == x or cut & 1 else cut + (1 if x > 0 else -1)
        away = nearest_away(x) if x >= 0 else -nearest_away(x)
        expect_text(", \" \", ".join("fp_to_long(0x%x, %d, 0)" % (a, mode)
                                     for mode in (0, 1, 2, 3, 4, 6)),
                    "%d %d %d %d %d %d" % (round(x), cut, math.floor(x), math.ceil(x), away, odd))
    if x == 0 or 1e-4 < abs(x) < 1e9:
        expect_text("fp_to_string(0x%x, 5)" % a, "%.5f" % x)
    text = "%.*f" % (random.randint(0, 6), random.uniform(-1e6, 1e6))
    expect("string_to_fp(\"%s\")" % text, float(text))
