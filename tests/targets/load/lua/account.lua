-- The accounts of a load with a known answer.
--
-- A function that burns CPU time reads the thread's CPU clock when it starts
-- and when it is done, and books the difference on its own account. Each burn
-- takes 1 ms or more, the two clock reads about 1 us, so that booking does not
-- disturb what it measures, and nothing but the function itself runs between.
-- report() lists the accounts: what a profiler's shares are judged by.

local ffi = require "ffi"
local getinfo = debug.getinfo

ffi.cdef [[
struct account_time { long sec, nsec; };
int account_clock(int clock, struct account_time *t) __asm__("clock_gettime");
]]

local C = ffi.C
local CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID = 1, 3
local time = ffi.new "struct account_time"

local M = {}
local accounts = {}

-- CPU time of this thread, in ns; exact in a double for the first 100 days.
local function now()
    C.account_clock(CLOCK_THREAD_CPUTIME_ID, time)
    return tonumber(time.sec) * 1e9 + tonumber(time.nsec)
end
M.now = now

-- Seconds since some moment: for how long to run, not for accounts.
function M.wall()
    C.account_clock(CLOCK_MONOTONIC, time)
    return tonumber(time.sec) + tonumber(time.nsec) / 1e9
end

-- Lua functions on the stack of the coroutine that runs; the first two, this
-- one and introduce(), do not count.
local function frames()
    local level, count = 3, 0
    local info = getinfo(level, "S")
    while info do
        if info.what ~= "C" then count = count + 1 end
        level = level + 1
        info = getinfo(level, "S")
    end
    return count
end

-- account.open(MODE, NAME): a new account, all zero.
function M.open(mode, name)
    local account = { mode = mode, name = name, ns = 0, calls = 0 }
    accounts[#accounts + 1] = account
    return account
end

-- To be called once by the function itself, before it starts the clock: where
-- it is defined, and how many Lua functions deep it runs.
function M.introduce(account)
    local info = getinfo(2, "S")
    account.source = info.source .. ":" .. info.linedefined
    account.depth = frames()
end

function M.report()
    local lines = { "# mode function source ns calls depth" }
    for _, a in ipairs(accounts) do
        if a.calls > 0 then
            lines[#lines + 1] = ("%s %s %s %.0f %d %d"):format(a.mode, a.name, a.source,
                a.ns, a.calls, a.depth)
        end
    end
    lines[#lines + 1] = ("- total - %.0f 0 0"):format(now())
    return table.concat(lines, "\n") .. "\n"
end

return M
