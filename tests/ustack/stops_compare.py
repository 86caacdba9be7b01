# Compares what gdb said of a program's stops (stops.py) with what ngstap printed (stops.stp), frame
# for frame: stops_compare.py GDB NGSTAP NAMED... Names are compared in the files NAMED, which have
# debug information. Where ngstap's stack ends before gdb's, readelf says why it may: code of no
# file, or without a table, for which gdb guesses; a rule that no row of ngstap's says. Behind code
# of no file, which is what LuaJIT has compiled, and its helpers ngstap goes on where gdb cannot: to
# the outermost function then.
# Prints "STOPS SAME BEYOND ENDED WRONG FRAMES" last; STOPS are those that both saw.
import bisect
import collections
import re
import subprocess
import sys


def read_gdb(path):
    stops = []
    for line in open(path):
        kind, rest = line.rstrip("\n").split(" ", 1)
        if kind == "stop":
            start, end = rest.split()
            stops.append((int(start), int(end), []))
        elif kind == "frame":
            pc, name, rest = rest.split(" ", 2)
            file, offset = rest.rsplit(" ", 1)
            stops[-1][2].append((int(pc, 16), name, file, int(offset, 16)))
    return stops


def read_ngstap(path):
    stops = []
    for line in open(path):
        if line.startswith("stop "):
            stops.append((int(line.split()[1]), []))
        elif line.startswith(" 0x") and stops:
            pc, name = line.strip().split(" : ", 1)
            stops[-1][1].append((int(pc, 16), name.split("+")[0]))
    return stops


class Tables:
    """What .eh_frame says of a file's code: (first, last + 1, CFA), by address."""

    def __init__(self, path):
        def readelf(options):
            return subprocess.run(["readelf", "-W" + options, path], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True).stdout
        self.loads = [[int(x, 16) for x in line.split()[1:6]]
                      for line in readelf("l").splitlines() if line.startswith("  LOAD")]
        self.rows = []
        end = 0
        for line in readelf("wF").splitlines():
            fde = re.search(r" FDE .* pc=([0-9a-f]+)\.\.([0-9a-f]+)", line)
            row = re.match(r"([0-9a-f]{16}) (\S+)", line)
            if fde:
                end = int(fde[2], 16)
            elif " CIE " in line:
                end = 0
            elif row and end:
                self.rows.append((int(row[1], 16), end, row[2]))
        self.rows.sort()

    def cfa(self, offset):
        for at, address, _, size, _ in self.loads:
            if at <= offset < at + size:
                offset += address - at
                break
        i = bisect.bisect(self.rows, (offset, 1 << 64)) - 1
        return self.rows[i][2] if i >= 0 and offset < self.rows[i][1] else None


tables = {}


def why_ended(frames, n):
    """The reason for which ngstap may know no more than N of gdb's frames; None: there is none."""
    _, _, file, offset = frames[n - 1]
    if n == 127:
        return "cut at 127 frames"
    if not file.startswith("/"):
        return None if file == "[vdso]" else "code of no file"
    if file not in tables:
        tables[file] = Tables(file)
    # A caller's address is behind its call; one that has called the kernel behind its instruction.
    cfas = {tables[file].cfa(offset - 1)} | ({tables[file].cfa(offset)} if n == 1 else set())
    name = file.rsplit("/", 1)[1]
    if cfas == {None}:
        return name + ": code without a table"
    if all(cfa is None or not re.match(r"(rsp|rbp)\+", cfa) for cfa in cfas):
        return name + ": a rule that no row says"
    return None


def plain(name):
    return re.sub(r"\.(isra|part|constprop|cold|lto_priv).*", "", name)


def goes_on(gdb, own, n, leaf):
    """Does ngstap's stack go on, to its end, where gdb only guesses: behind N frames of gdb's?"""
    guessed = leaf or n > 0 and why_ended(gdb, n) == "code of no file"
    # LuaJIT's table is wrong in some of its interpreter's code, which may have called C; gdb finds
    # no code behind it.
    astray = 0 < n < len(gdb) and gdb[n][2] == "-" and "/libluajit" in gdb[n - 1][2]
    return (guessed or astray) and own[-1][1] == "_start"


def judge(gdb, own, named):
    """("same" | "beyond" | "ended" | "wrong", why)"""
    while gdb[-1][0] == 0:  # gdb shows that nobody called
        gdb = gdb[:-1]
    # For LuaJIT's table these have the interpreter's frame; gdb sees their `ret`.
    leaf = gdb[0][1].startswith("lj_vm_") and ("ended", gdb[0][1] + ", which has a wrong table")
    for i, ((pc, name, file, _), mine) in enumerate(zip(gdb, own)):
        if pc != mine[0] and goes_on(gdb, own, i, i == 1 and leaf):
            return "beyond", ""
        if pc != mine[0] and i == 1 and leaf:
            return leaf
        if pc != mine[0]:
            return "wrong", "frame %d is at %x" % (i, mine[0])
        if file in named and name != "-" and plain(name) != plain(mine[1]):
            return "wrong", "frame %d is %s" % (i, mine[1])
    if len(own) == len(gdb):
        return "same", ""
    if len(own) in (1, 2) and leaf:
        return leaf
    if own and len(own) > len(gdb) and goes_on(gdb, own, len(gdb), leaf):
        return "beyond", ""
    if not own or len(own) > len(gdb):
        return "wrong", "%d frames" % len(own)
    why = why_ended(gdb, len(own))
    return ("ended", why) if why else ("wrong", "it ends behind frame %d" % (len(own) - 1))


def main():
    stops = read_gdb(sys.argv[1])
    own = read_ngstap(sys.argv[2])
    times = [time for time, _ in own]
    counts, reasons, files = (collections.Counter() for _ in range(3))
    frames = shown = idle = 0
    for start, end, gdb in stops:
        at = bisect.bisect(times, end) - 1
        if at < 0 or times[at] < start:
            continue
        how, why = judge(gdb, own[at][1], sys.argv[3:])
        counts[how] += 1
        idle += bool(gdb) and gdb[0][1] == "epoll_wait"
        frames += min(len(gdb), len(own[at][1]))
        files.update({file.rsplit("/", 1)[1] for _, _, file, _ in gdb if "/" in file})
        if how == "ended":
            reasons[why] += 1
        if how == "wrong" and shown < 3:
            shown += 1
            print("# " + why)
            for i in range(max(len(gdb), len(own[at][1]))):
                left = "%x %s %s" % gdb[i][:3] if i < len(gdb) else "-"
                right = "%x %s" % own[at][1][i] if i < len(own[at][1]) else "-"
                print("# %3d gdb: %s | %s" % (i, left, right))
    for why, n in reasons.most_common():
        print("# ended in %s: %d" % (why, n))
    print("# waiting for events: %d" % idle)
    print("# stops with frames in: " + ", ".join("%s %d" % x for x in files.most_common()))
    print(sum(counts.values()), counts["same"], counts["beyond"], counts["ended"], counts["wrong"],
          frames)


main()
