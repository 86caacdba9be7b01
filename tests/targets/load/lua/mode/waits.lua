-- Off the CPU in known places: each account is the time by the clock on the wall, not the CPU's. In
-- nginx the worker waits, too, as with any code that blocks.

local account = require "account"
local ffi = require "ffi"

ffi.cdef [[
int usleep(unsigned usec);
int socketpair(int domain, int type, int protocol, int fds[2]);
struct waits_pollfd { int fd; short events, revents; };
int poll(struct waits_pollfd *fds, unsigned long n, int ms);
]]

local AF_UNIX, SOCK_STREAM, POLLIN = 1, 1, 1
local C = ffi.C
local wall = account.wall

local sleep_account = account.open("waits", "sleep")
local socket_account = account.open("waits", "socket")
local twice_account = account.open("waits", "twice")

local function book(a, start)
    a.ns = a.ns + (wall() - start) * 1e9
    a.calls = a.calls + 1
end

local function sleep()
    if not sleep_account.source then account.introduce(sleep_account) end
    local start = wall()
    C.usleep(20000)
    book(sleep_account, start)
end

local fds = ffi.new "struct waits_pollfd[1]"
do
    local pair = ffi.new "int[2]"
    assert(C.socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0)
    fds[0].fd, fds[0].events = pair[0], POLLIN
end

-- For an answer that does not come.
local function socket()
    if not socket_account.source then account.introduce(socket_account) end
    local start = wall()
    C.poll(fds, 1, 35)
    book(socket_account, start)
end

local function twice()
    if not twice_account.source then account.introduce(twice_account) end
    local start = wall()
    C.usleep(5000)
    C.usleep(8000)
    book(twice_account, start)
end

return function()
    sleep()
    socket()
    twice()
end
