#!/usr/bin/env luajit
-- Every way of defining a function, and what only looks like one. Each function's name is told by a comment
-- with an arrow at the end of the line that it begins in.
local function a() end --> a
local function
  b
  (x) --> b
  return function() end --> b:8
end
function c() end --> c
function m.n.o:p(...) --> m.n.o:p
  local t = {
    f = function() end, --> f
    ["g h"] = function() end, --> ["g h"]
    [1] = function() end; --> [1]
    nested = {
      i = function() --> i
        return function() end --> i:18
      end,
      function() end --> m.n.o:p:20
    },
    j = wrap(function() end), --> m.n.o:p:22
  }
  return t
end
x, y.z = function() end, --> x
  function() end --> y.z
local k, l = 1, function() end --> l
local q = (function() end)() --> 29
call(function() --> 30
  inner = function() --> inner
  end
end)
call { field = function() end } --> field
call "string" after = function() end --> after
s:method(1).field2 = function() --> s:method(1).field2
end
goto cont
::cont:: u = function() end --> u
for i = 1, 2 do while i < 0 do repeat local function r() end --> r
until true end end
if a then v = function() end elseif b then --> v
  w = function() end else --> w
  t . u -- function c() end
    [ [[key]] ] = function() end end --> t.u[[[key]]]
local str = "function no1() end \" function no2() end"
local str2 = 'function no3() end \
function no4() end'
local str3 = "a\z
     function no5() end"
local long = [[
function no6()
end ]]
local long2 = [==[
]] ]=] function no7() end
]==]
--[[ function no8() end
end ]] function d() end --> d
--[==[
function no9() ]]
]==]
--[ function no10() end
--[=x function no11() end
local n = 0x1p-3 + 1e+5 + 0xffULL + 12LL + 2i + .5 + 3. function e() end --> e
x = t[t[1]] function f2() end --> f2
y = not x and function() end --> 66
z = z or function() end --> 67
do local function g2() if x then return end end end --> g2
local h2; h2 = function() return h2() end --> h2
名字 = function() end --> 名字
return function(...) --> 71
  return ...
end
