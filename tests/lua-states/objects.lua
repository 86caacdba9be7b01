-- objects: keeps objects of every kind, strings of all lengths above all, and prints how many bytes it has by its own
-- account; then it runs without making more: objects.lua SECONDS.
jit.off()
local ffi = require "ffi"
local kept = {}

local function keep(object)
    kept[#kept + 1] = object
end

for len = 0, 1500 do
    keep(string.rep("x", len))
    keep(string.rep("y", len % 9) .. len)
end
for n = 1, 200 do
    local array, hash = {}, {}
    for i = 1, n % 40 do
        array[i] = n
        hash["key" .. i] = i
    end
    keep(array)
    keep(hash)
    keep({n, n})
    keep(function() return array, hash end)
    keep(coroutine.create(function(a) return coroutine.yield(a) end))
    keep(ffi.new("int64_t[?]", n))
    keep(ffi.new("int"))
    keep(newproxy(true))
    keep(loadstring("local a = " .. n .. " return function() return a end"))
end
local now, till = os.time, os.time() + arg[1]
collectgarbage()
collectgarbage("stop")
print(collectgarbage("count") * 1024)
io.stdout:flush()
while now() < till do
end
