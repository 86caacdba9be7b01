-- The same in the interpreter only. hot() is plain bytecode; cold() calls fast
-- functions (string.byte, math.floor), which have frames of their own above it:
-- the leaf of a tick there is a builtin, the leaf *Lua* function is cold().

jit.off(true, true)

local account = require "account"
local now = account.now
local byte, floor = string.byte, math.floor

local hot_account = account.open("interp", "hot")
local cold_account = account.open("interp", "cold")
local text = ("a line of text to read, "):rep(8)

local function hot(n)
    if not hot_account.source then account.introduce(hot_account) end
    local start = now()
    local x, y = 1, 1
    for i = 1, n do
        x = x + i * 3
        if x > 1000000 then x = x - 1000000 end
        y = y + x
    end
    hot_account.ns = hot_account.ns + (now() - start)
    hot_account.calls = hot_account.calls + 1
    return y
end

local function cold(n)
    if not cold_account.source then account.introduce(cold_account) end
    local start = now()
    local x = 0
    for i = 1, n do
        x = x + floor(byte(text, i % 100 + 1) / 3)
    end
    cold_account.ns = cold_account.ns + (now() - start)
    cold_account.calls = cold_account.calls + 1
    return x
end

return function()
    for i = 1, 10 do
        if i % 3 ~= 0 then
            hot(150000)
        else
            cold(60000)
        end
    end
end
