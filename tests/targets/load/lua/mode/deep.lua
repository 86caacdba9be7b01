-- A stack of just over 30 interpreted frames: two functions that call each other,
-- then hot() or cold(). The account's depth says how many frames there are.

jit.off(true, true)

local account = require "account"
local now = account.now

local hot_account = account.open("deep", "hot")
local cold_account = account.open("deep", "cold")
local left

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

local function right(frames, leaf, n)
    local x = left(frames - 1, leaf, n)
    return x
end

function left(frames, leaf, n)
    local x
    if frames > 1 then
        x = right(frames - 1, leaf, n)
    else
        x = leaf(n)
    end
    return x
end

return function()
    for i = 1, 10 do
        if i % 3 ~= 0 then
            left(29, hot, 300000)
        else
            left(29, cold, 280000)
        end
    end
end
