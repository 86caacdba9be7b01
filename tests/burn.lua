-- burn: two minutes of processor time in one function, hot(); ends by itself.
local function hot(n)
    local s = 0
    for i = 1, n do s = s + math.sin(i) end
    return s
end
local ends = os.time() + 120
while os.time() < ends do hot(100000) end
