-- helpers: Lua that is in LuaJIT's assembly again and again: where it calls its helpers, where C
-- enters and leaves it, where traces end. "helpers.lua SECONDS", of processor time.
local ffi = require "ffi"
ffi.cdef [[
typedef int (*compare)(const void *, const void *);
void qsort(void *, size_t, size_t, compare);
]]
local numbers = ffi.new("int[4]")
local sink = 0

local function round()
    for i = 1, 200 do
        sink = sink + math.floor(i / 3.5) + math.ceil(i / 3) + i % 7.5
    end
end
local by_parity = { [0] = round, function() for k in pairs({ 1, 2 }) do sink = sink + k end end }
local callback = ffi.cast("compare", function(a, b)
    round()
    return 0
end)

repeat
    sink = 0
    for i = 1, 100 do
        by_parity[i % 2]()
    end
    pcall(round)
    string.gsub("ab", ".", function() round() end)
    coroutine.wrap(function() coroutine.yield() round() end)()
    load("return 1 % 2.5")()
    ffi.C.qsort(numbers, 4, 4, callback)
until os.clock() >= tonumber(arg[1])
