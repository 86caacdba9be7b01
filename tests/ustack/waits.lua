-- waits: Lua that sleeps, and waits for a lock, a socket and a disk, in a function each, which books
-- how long it was off the processor: by the clock, less the thread's own time. It begins when the
-- file FOLDER/go is there, prints "truth FUNCTION MICROSECONDS" after ROUNDS, and ends when
-- FOLDER/done is there. "waits.lua FOLDER ROUNDS".
local ffi = require "ffi"
ffi.cdef [[
struct moment { long sec, nsec; };
int clock_gettime(int clock, struct moment *t);
int usleep(unsigned us);
int open(const char *path, int flags, int mode);
int flock(int fd, int how);
int fsync(int fd);
long write(int fd, const void *data, size_t n);
long read(int fd, void *data, size_t n);
int socketpair(int family, int kind, int protocol, int fds[2]);
int fork(void);
int close(int fd);
]]
local C = ffi.C
local O_RDWR_CREAT, LOCK_EX, LOCK_UN, AF_UNIX, SOCK_STREAM = 0x42, 2, 8, 1, 1
local folder, rounds = arg[1], tonumber(arg[2])
local moment = ffi.new("struct moment[1]")

local function now(clock)
    C.clock_gettime(clock, moment)
    return tonumber(moment[0].sec) * 1e9 + tonumber(moment[0].nsec)
end

local off = {}
local function booked(name, wait)
    local wall, own = now(1), now(3)
    wait()
    own, wall = now(3) - own, now(1) - wall
    off[name] = (off[name] or 0) + wall - own
end

local data = ffi.new("char[?]", 262144)
local pair = ffi.new("int[2]")
C.socketpair(AF_UNIX, SOCK_STREAM, 0, pair)

local function exists(name)
    local f = io.open(folder .. "/" .. name)
    return f and f:close()
end

-- Holds the lock most of the time, and answers each byte late.
if C.fork() == 0 then
    local lock = C.open(folder .. "/lock", O_RDWR_CREAT, 384)
    while not exists("done") do
        C.flock(lock, LOCK_EX)
        C.usleep(15000)
        C.flock(lock, LOCK_UN)
        C.usleep(500)
    end
    os.exit(0)
end
if C.fork() == 0 then
    C.close(pair[0])
    while C.read(pair[1], data, 1) == 1 do
        C.usleep(8000)
        C.write(pair[1], data, 1)
    end
    os.exit(0)
end

local lock_file = C.open(folder .. "/lock", O_RDWR_CREAT, 384)
local disk_file = C.open(folder .. "/disk", O_RDWR_CREAT, 384)

local function sleep() C.usleep(10000) return 1 end
local function lock()
    C.flock(lock_file, LOCK_EX)
    C.flock(lock_file, LOCK_UN)
    return 1
end
local function socket()
    C.write(pair[0], data, 1)
    C.read(pair[0], data, 1)
    return 1
end
local function disk()
    C.write(disk_file, data, 262144)
    C.fsync(disk_file)
    return 1
end

while not exists("go") do C.usleep(20000) end
for _ = 1, rounds do
    booked("sleep", sleep)
    booked("lock", lock)
    booked("socket", socket)
    booked("disk", disk)
end
for name, ns in pairs(off) do print("truth", name, math.floor(ns / 1000)) end
io.stdout:flush()
while not exists("done") do C.usleep(20000) end
