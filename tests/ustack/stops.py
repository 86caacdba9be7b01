# Run by gdb: stops the process PID at random moments, STOPS times, and for 15 s as long as it was
# busy in fewer of them; writes to OUT what gdb says of each stack, without the frames that are not
# there: those of inlined functions, and of tail calls.
#
#   stop FROM TO            it was let go at FROM, and gdb had it at TO: CLOCK_MONOTONIC, in ns
#   frame PC NAME FILE OFFSET   innermost first; "-": gdb has no name, the code is no file's
#   end WHY                 why gdb knows no caller
import os
import random
import subprocess
import time

import gdb

for setting in ("pagination off", "backtrace past-main on", "backtrace past-entry on",
                "backtrace limit 200", "debuginfod enabled off", "confirm off"):
    gdb.execute("set " + setting)
gdb.execute("handle all nostop noprint pass", to_string=True)
gdb.execute("handle SIGINT stop nopass", to_string=True)


def mappings():
    """Of files, and the code of none: (start, end, offset, path)."""
    found = []
    with open("/proc/%d/maps" % PID) as maps:
        for line in maps:
            fields = line.split(None, 5)
            start, end = (int(x, 16) for x in fields[0].split("-"))
            path = fields[5].strip() if len(fields) > 5 else "-"
            found.append((start, end, int(fields[2], 16), path))
    return found


def place(maps, pc):
    for start, end, offset, path in maps:
        if start <= pc < end:
            return path, pc - start + offset
    return "-", 0


def frames():
    """Of the stop; the last line says why there are no more."""
    maps = mappings()
    frame = gdb.newest_frame()
    while True:
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            path, offset = place(maps, frame.pc())
            yield "frame %x %s %s %x" % (frame.pc(), frame.name() or "-", path, offset)
        try:
            older = frame.older()
        except gdb.error as error:
            yield "end %s" % error
            return
        if older is None:
            yield "end %s" % gdb.frame_stop_reason_string(frame.unwind_stop_reason())
            return
        frame = older


gdb.execute("attach %d" % PID, to_string=True)
# It waits for a moment in which the process runs, a little.
KILL = '''sleep %.4f
for i in $(seq 40); do
    read -r stat </proc/%d/stat
    case $stat in *") R "*) break ;; esac
    sleep 0.001
done
kill -INT %d'''

stops = busy = 0
limit = time.monotonic() + 15
with open(OUT, "w") as out:
    while stops < STOPS or (busy < STOPS and time.monotonic() < limit):
        start = time.monotonic_ns()
        killer = subprocess.Popen(
            ["sh", "-c", KILL % (random.uniform(0, 0.005), PID, PID)])
        gdb.execute("continue", to_string=True)
        killer.wait()
        out.write("stop %d %d\n" % (start, time.monotonic_ns()))
        lines = list(frames())
        out.write("".join(line + "\n" for line in lines))
        stops += 1
        busy += " epoll_wait " not in lines[0]
gdb.execute("detach", to_string=True)
