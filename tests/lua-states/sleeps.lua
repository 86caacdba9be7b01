-- sleeps: the VM's thread sleeps in C that Lua calls, another runs in C: sleeps.lua LIBRARY SECONDS. At its end, on
-- SIGTERM or after SECONDS, it prints the CPU times of both, in ns, by the clock of each thread.
local ffi = require "ffi"
ffi.cdef [[
    struct timespec { long sec, nsec; };
    int usleep(unsigned us);
    int clock_gettime(int clock, struct timespec *t);
    void threads_spin(void);
    int64_t threads_cpu(void);
    int threads_over(void);
]]
local C, threads = ffi.C, ffi.load(arg[1])
local t = ffi.new "struct timespec"

local function clock(id)
    C.clock_gettime(id, t)
    return tonumber(t.sec) * 1e9 + tonumber(t.nsec)
end

local function asleep()
    C.usleep(50000)
end

jit.off(true, true)
threads.threads_spin()
local till = clock(1) + arg[2] * 1e9
while clock(1) < till and threads.threads_over() == 0 do
    asleep()
end
print("lua", string.format("%.0f", clock(3)))
print("spin", string.format("%.0f", tonumber(threads.threads_cpu())))
os.exit() -- without closing the library, in which the other thread runs
