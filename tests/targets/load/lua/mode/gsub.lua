-- Time spent in C functions called from Lua: string.gsub with a callback. Each
-- function is its own callback, so that all of its time, in C and in Lua, has
-- one leaf Lua function.

local account = require "account"
local now = account.now
local gsub = string.gsub

local hot_account = account.open("gsub", "hot")
local cold_account = account.open("gsub", "cold")
local text = ("the quick brown fox; "):rep(40)
local seen = {}

local function hot(word, n)
    if word then
        seen[word] = (seen[word] or 0) + 1
        return
    end
    if not hot_account.source then account.introduce(hot_account) end
    local start = now()
    for _ = 1, n do
        gsub(text, "%a*%s", hot)
    end
    hot_account.ns = hot_account.ns + (now() - start)
    hot_account.calls = hot_account.calls + 1
end

local function cold(letter, n)
    if letter then
        return letter == "o" and "0" or letter
    end
    if not cold_account.source then account.introduce(cold_account) end
    local start = now()
    for _ = 1, n do
        gsub(text, "[aeiou]", cold)
    end
    cold_account.ns = cold_account.ns + (now() - start)
    cold_account.calls = cold_account.calls + 1
end

return function()
    for i = 1, 10 do
        if i % 3 ~= 0 then
            hot(nil, 90)
        else
            cold(nil, 90)
        end
    end
end
