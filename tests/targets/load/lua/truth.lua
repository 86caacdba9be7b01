-- A load with a known answer for a stand-alone luajit:
--
--     luajit truth.lua MODE SECONDS [FILE]
--
-- runs mode/MODE.lua for SECONDS, then writes the accounts to FILE (or to its
-- standard output). FILE is also brought up to date twice a second, by a
-- rename, so that a reader never sees half of it.

local mode, seconds, file = arg[1], tonumber(arg[2]), arg[3]
if not mode or not seconds then
    io.stderr:write("usage: luajit truth.lua MODE SECONDS [FILE]\n")
    os.exit(2)
end

package.path = (arg[0]:match("^.*/") or "") .. "?.lua;" .. package.path
local account = require "account"
local burn = require("mode." .. mode)

local function publish()
    if not file then return end
    local out = assert(io.open(file .. ".new", "w"))
    out:write(account.report())
    out:close()
    assert(os.rename(file .. ".new", file))
end

local stop, due = account.wall() + seconds, 0
while account.wall() < stop do
    burn()
    if account.wall() >= due then
        publish()
        due = account.wall() + 0.5
    end
end
publish()
if not file then io.write(account.report()) end
