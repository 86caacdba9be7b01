-- May this request read? Its token must be the signature of its path; without
-- one the reader is a guest.

local M = {}

local function sign(path)
    return ngx.encode_base64(ngx.hmac_sha1("not much of a secret", path))
end

local function parse_cookies(header)
    local cookies = {}
    for name, value in header:gmatch "([^=; ]+)=([^;]*)" do
        cookies[name] = value
    end
    return cookies
end

function M.check()
    local token = ngx.var.http_x_token
    if token and token ~= "" and token ~= sign(ngx.var.uri) then
        return ngx.exit(ngx.HTTP_FORBIDDEN)
    end
    local cookies = parse_cookies(ngx.var.http_cookie or "session=none; theme=plain; lang=en")
    ngx.ctx.reader = token and "member" or "guest"
    ngx.ctx.theme = cookies.theme
end

return M
