-- Counts of requests by status and by time taken; what a scraper would read.

local M = { counts = {} }

local function bucket(seconds)
    local limit = 0.001
    while limit < seconds do
        limit = limit * 2
    end
    return limit
end

function M.write()
    local key = ("%d %s %g"):format(ngx.status, ngx.ctx.reader or "-",
        bucket(tonumber(ngx.var.request_time)))
    M.counts[key] = (M.counts[key] or 0) + 1
end

return M
