-- Two coroutines deep: an outer one resumes an inner one, which burns and
-- yields by turns. hot() is compiled; cold() is interpreted. In nginx, ngx_lua
-- resumes both from its own loop in C.

local account = require "account"
local now = account.now

local hot_account = account.open("coroutine", "hot")
local cold_account = account.open("coroutine", "cold")

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
    local x = 1
    for i = 1, n do
        x = x + i % 7
    end
    cold_account.ns = cold_account.ns + (now() - start)
    cold_account.calls = cold_account.calls + 1
    return x
end
jit.off(cold)

local function inner()
    for i = 1, 10 do
        if i % 3 ~= 0 then
            hot(140000)
        else
            cold(290000)
        end
        coroutine.yield(i)
    end
end

local function outer()
    local co = coroutine.create(inner)
    while coroutine.status(co) ~= "dead" do
        assert(coroutine.resume(co))
        coroutine.yield()
    end
end

return function()
    local co = coroutine.create(outer)
    while coroutine.status(co) ~= "dead" do
        assert(coroutine.resume(co))
    end
end
