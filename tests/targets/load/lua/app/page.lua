-- The page of an article: its record from the cache, its comments sorted, all
-- of it through templates.

local cache = require "app.cache"
local template = require "app.template"

local M = {}

local page = template.compile [[
<html><head><title>{{title}}</title></head>
<body class="{{theme}}"><h1>{{title}}</h1><p>{{text}}</p>
]]
local comment = template.compile [[
<div><b>{{author}}</b> ({{score}}): {{text}}</div>
]]

local function load_article(key)
    local comments = {}
    for i = 1, 20 do
        comments[i] = {
            author = "reader" .. i,
            score = (i * 37) % 23,
            text = ("I'd say 1 < 2 & so does '" .. key .. "'. "):rep(3),
        }
    end
    return { title = "On <" .. key .. ">", text = ("A sentence & another. "):rep(40),
             comments = comments }
end

local function sort_comments(comments)
    local sorted = {}
    for i, c in ipairs(comments) do
        sorted[i] = c
    end
    table.sort(sorted, function(a, b) return a.score > b.score end)
    return sorted
end

function M.serve()
    local article = cache.fetch(ngx.var.uri, load_article)
    local out = {}
    out[1] = template.render(page, { title = article.title, text = article.text,
                                     theme = ngx.ctx.theme })
    for i, c in ipairs(sort_comments(article.comments)) do
        out[i + 1] = template.render(comment, c)
    end
    out[#out + 1] = "</body></html>\n"
    ngx.print(out)
end

return M
