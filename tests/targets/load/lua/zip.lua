-- A text that compresses badly, so that zlib has work to do, in pieces of 10,000 bytes.

local M = {}

local pieces = {}
for i = 1, 10 do
    local digits = {}
    for k = 1, 10000 do
        digits[k] = string.char(48 + (k * k * i + k % 7) % 41)
    end
    pieces[i] = table.concat(digits)
end

function M.serve()
    for _, piece in ipairs(pieces) do
        ngx.print(piece)
    end
end

return M
