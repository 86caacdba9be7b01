-- Loops that LuaJIT compiles: each a root trace of the function it stands in.

local account = require "account"
local now = account.now

local hot_account = account.open("jit", "hot")
local cold_account = account.open("jit", "cold")
local cells = {}
for i = 1, 64 do
    cells[i] = i
end

local function hot(n)
    if not hot_account.source then account.introduce(hot_account) end
    local start = now()
    local x = 1
    for i = 1, n do
        x = (x * 16807 + i) % 2147483647
    end
    hot_account.ns = hot_account.ns + (now() - start)
    hot_account.calls = hot_account.calls + 1
    return x
end

local function cold(n)
    if not cold_account.source then account.introduce(cold_account) end
    local start = now()
    for i = 1, n do
        local k = i % 64 + 1
        cells[k] = cells[k] * 0.5 + i
    end
    cold_account.ns = cold_account.ns + (now() - start)
    cold_account.calls = cold_account.calls + 1
    return cells[1]
end

return function()
    for i = 1, 10 do
        if i % 3 ~= 0 then
            hot(140000)
        else
            cold(1600000)
        end
    end
end
