-- A cache of two levels: values in the worker's memory, their JSON text in
-- memory that all workers share.

local cjson = require "cjson"
local lrucache = require "resty.lrucache"

local M = {}
local near = assert(lrucache.new(32))
local far = ngx.shared.pages

function M.fetch(key, make)
    local value = near:get(key)
    if value then return value end
    local text = far:get(key)
    if not text then
        text = cjson.encode(make(key))
        far:set(key, text, 2)
    end
    value = cjson.decode(text)
    near:set(key, value, 0.2)
    return value
end

return M
