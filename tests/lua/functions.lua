-- Prints, for each file named on standard input, "F PATH" and one line "FIRST-LAST" a function of it, as LuaJIT's own
-- parser has them; "E PATH" for what LuaJIT does not take. The files are compiled, and not run.
local funcinfo, funck = require("jit.util").funcinfo, require("jit.util").funck

local function walk(proto, out)
  local info = funcinfo(proto)
  out[#out + 1] = info.linedefined .. "-" .. info.lastlinedefined
  for i = -1, -1e9, -1 do
    local k = funck(proto, i)
    if k == nil then break end
    if type(k) == "proto" then walk(k, out) end
  end
end

for path in io.lines() do
  local chunk = loadfile(path)
  local out = {}
  if chunk then walk(chunk, out) end
  io.write(chunk and "F " or "E ", path, "\n", table.concat(out, "\n"), chunk and "\n" or "")
end
