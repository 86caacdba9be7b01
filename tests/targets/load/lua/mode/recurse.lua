-- An interpreted recursion, 100 frames of one function, with hot() or cold() on
-- top of it.

jit.off(true, true)

local account = require "account"
local now = account.now

local hot_account = account.open("recurse", "hot")
local cold_account = account.open("recurse", "cold")

local function hot(n)
    if not hot_account.source then account.introduce(hot_account) end
    local start = now()
    local x = 1
    for i = 1, n do
        x = x + i % 5
    end
    hot_account.ns = hot_account.ns + (now() - start)
    hot_account.calls = hot_account.calls + 1
    return x
end

local function cold(n)
    if not cold_account.source then account.introduce(cold_account) end
    local start = now()
    local x = 1
    for i = 1, n do
        x = x * 0.5 + i
    end
    cold_account.ns = cold_account.ns + (now() - start)
    cold_account.calls = cold_account.calls + 1
    return x
end

local function descend(frames, leaf, n)
    local x
    if frames > 1 then
        x = descend(frames - 1, leaf, n)
    else
        x = leaf(n)
    end
    return x
end

return function()
    for i = 1, 10 do
        if i % 3 ~= 0 then
            descend(100, hot, 300000)
        else
            descend(100, cold, 280000)
        end
    end
end
