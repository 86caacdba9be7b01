-- Is off the CPU in known places for SECONDS; says how long each took, in microseconds of the
-- monotonic clock: luajit wait.lua SECONDS FILE.
local ffi = require "ffi"
ffi.cdef [[
int usleep(unsigned usec);
typedef struct { long s, ns; } ts;
int clock_gettime(int clock, ts *t);
]]
local t = ffi.new "ts"
local function now()
    ffi.C.clock_gettime(1, t)
    return tonumber(t.s) * 1e6 + tonumber(t.ns) / 1e3
end
local spent = { sleep = 0, call = 0, read = 0 }
local pipe = io.popen("while sleep 0.02; do echo x; sleep 0.02; done", "r")
local function sleep()
    local from = now()
    ffi.C.usleep(30000)
    spent.sleep = spent.sleep + now() - from
end
local function call()
    local from = now()
    os.execute "sleep 0.1"
    spent.call = spent.call + now() - from
end
local function read()
    local from = now()
    for _ = 1, 5 do
        pipe:read "*l"
    end
    spent.read = spent.read + now() - from
end
local to = now() + tonumber(arg[1]) * 1e6
while now() < to do
    sleep()
    call()
    read()
end
local file = io.open(arg[2], "w")
for name, us in pairs(spent) do
    file:write(name, " ", math.floor(us), "\n")
end
file:close()
os.exit(0, false) -- the pipe's shell goes on until its next write
