-- cross: Lua and C that call each other, and know in which order: "cross.lua MODULE LEAF SECONDS".
-- LEAF is what the innermost function does: hit (C that is probed), ffi (the same by FFI, compiled
-- when it is hot), spin (C that takes its time), wait (C that sleeps), loop (Lua that takes its
-- time), lie (C that is probed, and the state's chain of C frames is wrong). Prints "expect CASE FRAME...", innermost first, and
-- "function NAME LINE" for each Lua function.
local module, leaf, seconds = arg[1], arg[2], tonumber(arg[3] or 0)
package.cpath = module .. "/?.so"
local cross = require "cross"
local ffi = require "ffi"
ffi.cdef "void x_leaf(void); void x_each(void (*callback)(void));"
local C = ffi.load(module .. "/cross.so")
local sink = 0

local leaves = {
    hit = function() cross.hit() end,
    spin = function() cross.spin() end,
    wait = function() cross.wait() end,
    lie = function() for i = 0, 4 do cross.lie(i) end end,
    ffi = function() for _ = 1, 100 do C.x_leaf() end end,
    loop = function() local n = 0 for i = 1, 1000000 do n = n + i % 7 end sink = sink + n end,
}
local work = leaves[leaf]

function inner() work() sink = sink + 1 end
local function middle() coroutine.resume(coroutine.create(inner)) sink = sink + 1 end
local function compare(a, b) inner() return a < b end
local function meta_add(a, b) inner() return a end
local function meta_index(t, k) inner() return 1 end
local given
local function reader() if given then return nil end given = true inner() return "return 1" end
local callback = ffi.cast("void (*)(void)", inner)
local adding = setmetatable({}, { __add = meta_add })
local indexing = setmetatable({}, { __index = meta_index })
local function nested() cross.call(inner) sink = sink + 1 end
local function deep(n) if n > 0 then deep(n - 1) else cross.pcall(inner) end sink = sink + 1 end

local other_leaf = leaf == "spin" and "cross.spin()" or "cross.hit()"

-- What is between the innermost functions and the case's own.
local cases = {
    { "inner", function() inner() sink = sink + 1 end },
    { "inner", function() pcall(inner) sink = sink + 1 end },
    { "inner x_call", function() cross.call(inner) sink = sink + 1 end },
    { "inner x_pcall", function() cross.pcall(inner) sink = sink + 1 end },
    { "inner lj_cf_string_gsub", function() string.gsub("a", "a", inner) sink = sink + 1 end },
    { "inner compare lj_cf_table_sort",
        function() table.sort({ 2, 1 }, compare) sink = sink + 1 end },
    { "inner middle", function() coroutine.wrap(middle)() sink = sink + 1 end },
    { "inner x_resume", function() cross.resume(inner) sink = sink + 1 end },
    { "inner middle x_resume", function() cross.resume(middle) sink = sink + 1 end },
    { "inner x_thread", function() cross.thread(inner) sink = sink + 1 end },
    { "inner x_each", function() C.x_each(callback) sink = sink + 1 end },
    { "inner x_protected x_cpcall", function() cross.cpcall() sink = sink + 1 end },
    { "inner meta_add", function() local _ = adding + 1 sink = sink + 1 end },
    { "inner meta_index", function() local _ = indexing.key sink = sink + 1 end },
    { "inner meta_index x_get", function() cross.get(indexing) sink = sink + 1 end },
    { "inner reader", function() given = false load(reader) sink = sink + 1 end },
    { "inner x_call nested x_call", function() cross.call(nested) sink = sink + 1 end },
    { "inner x_call nested x_resume", function() cross.resume(nested) sink = sink + 1 end },
    { "inner x_pcall deep deep deep deep", function() deep(3) sink = sink + 1 end },
    { "", function() cross.other_vm(other_leaf) sink = sink + 1 end },
}

local function say_function(name, f)
    print("function", name, debug.getinfo(f, "S").linedefined)
end
say_function("inner", inner)
say_function("middle", middle)
say_function("compare", compare)
say_function("meta_add", meta_add)
say_function("meta_index", meta_index)
say_function("reader", reader)
say_function("nested", nested)
say_function("deep", deep)
for i, case in ipairs(cases) do
    say_function("case" .. i, case[2])
end
say_function("leaf", work)
local tops = {
    hit = "x_leaf x_hit leaf ", lie = "x_leaf x_lie leaf ",
    wait = "x_wait leaf ", spin = "x_spin leaf ",
    ffi = "x_leaf leaf ", loop = "leaf ",
}
local other_top = leaf == "spin" and "x_spin x_other_vm" or "x_leaf x_hit x_other_vm"
for i, case in ipairs(cases) do
    print("expect", i, (case[1] == "" and other_top or tops[leaf] .. case[1]) .. " case" .. i)
end
io.stdout:flush()

local ends = os.time() + seconds
repeat
    for _, case in ipairs(cases) do
        case[2]()
    end
until os.time() >= ends
