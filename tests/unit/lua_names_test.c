/*
 * lua_names_test: names of functions: from sources of every form, from nginx's configuration, below
 * a root that tries to lead out of itself, and from sources that are none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "base/clean.h"
#include "lua/lua.h"
#include "lua/nginx.h"
#include "tap.h"

static struct compile cx;
static char base_dir[] = "/tmp/lua_names_XXXXXX", root_dir[64], outside[64];

/* ---- functions of a text ---- */

static void show(const char *text, size_t len, char *out, size_t size)
{
    struct lua_functions f;
    size_t n = 0;
    char label[512];

    *out = '\0';
    if (!lua_functions_read(text, len, 1, &f))
        return;
    for (uint32_t i = 1; i < f.n && n < size; i++) {
        lua_function_label(&f, &f.v[i], label, sizeof(label));
        n += (size_t)snprintf(out + n, size - n, "%s%s %u-%u", i > 1 ? ", " : "", label,
                              f.v[i].line, f.v[i].last_line);
    }
    if (n < size && !f.sound)
        snprintf(out + n, size - n, " (not sound)");
    lua_functions_free(&f);
}

static void functions(const char *text, const char *want)
{
    char got[4096];

    show(text, strlen(text), got, sizeof(got));
    tap_text(got, want, want);
}

static void every_form(void)
{
    functions("function f() end", "f 1-1");
    functions("function a.b.c:m()\nend", "a.b.c:m 1-2");
    functions("local function f()\n\nend", "f 1-3");
    functions("local function\nf\n(a)\nend", "f 3-4");
    functions("function\nf\n(a)\nend", "f 1-4");
    functions("x = function() end", "x 1-1");
    functions("a . b\n. c =\nfunction\n() end", "a.b.c 4-4");
    functions("local x = function() end", "x 1-1");
    functions("local x, y = 1, function() end", "y 1-1");
    functions("x, t.y = function() end, function() end z = function() end",
              "x 1-1, t.y 1-1, z 1-1");
    functions("t = { f = function() end, [\"g\"] = function() end, [1] = function() end }",
              "f 1-1, [\"g\"] 1-1, [1] 1-1");
    functions("t = { a = { b = function() end, function() end }; c = function() end }",
              "b 1-1, 1 1-1, c 1-1");
    functions("t[\"k\"].f[i + 1] = function() end", "t[\"k\"].f[i+1] 1-1");
    functions("(t or u).f = function() end", "(t or u).f 1-1");
    functions("f(x).y = function() end", "f(x).y 1-1");
    functions("return function() end", "1 1-1");
    functions("return { f = function() end }", "f 1-1");
    functions("function f()\n return function()\n return function() end end end",
              "f 1-3, f:2 2-3, f:3 3-3");
    functions("g(function()\nend, { k = function() end })", "1 1-2, k 2-2");
    functions("x = x or function() end", "1 1-1");
    functions("x = (function() end)()", "1 1-1");
    functions("x = 1 y = function() end", "y 1-1");
    functions("f'x' y = function() end", "y 1-1");
    functions("goto done ::done:: x = function() end", "x 1-1");
    functions("for i = 1, 3 do while a do repeat x = function() end until b end end", "x 1-1");
    functions("if a then x = function() end elseif b then y = function() end else z = function() "
              "end end",
              "x 1-1, y 1-1, z 1-1");
    functions("break_ = function() end", "break_ 1-1");
    functions("\xe5\x90\x8d = function() end", "\xe5\x90\x8d 1-1");
}

static void tokens(void)
{
    functions("-- function a() end\nfunction b() end", "b 2-2");
    functions("--[[ function a()\n end ]] function b() end", "b 2-2");
    functions("--[==[ ]] ]=]\n function a() ]==] function b() end", "b 2-2");
    functions("--[=x\nfunction b() end", "b 2-2");
    functions("x = [[\nfunction a() end\n]] function b() end", "b 3-3");
    functions("x = \"function a() \\\" end\" function b() end", "b 1-1");
    functions("x = 'a\\\n\\z  \n\n function' function b() end", "b 4-4");
    functions("x = a[b[1]] function b() end", "b 1-1");
    functions("x = 0x1p-3 + 1e-5 + 3LL + 0xffULL + 2i + .5 function b() end", "b 1-1");
    functions("#!/usr/bin/lua function\r\nfunction b()\r\nend\r\n", "b 2-3");
    functions("\xef\xbb\xbf# function\nfunction b()\rend", "b 2-3");
    functions("x=1\n\rfunction b() end", "b 2-2");
}

static void faults(void)
{
    functions("end end function b() end", "b 1-1 (not sound)");
    functions("f( x = function b() end", "b 1-1 (not sound)");
    functions("function a( local x = { function b() end", "a 1-1, b 1-1 (not sound)");
    functions("x = \"open\nfunction b() end", "b 2-2 (not sound)");
    functions("x = ) ] } function b() end", "b 1-1 (not sound)");
    functions("function a()\n\n", "a 1-3 (not sound)");
    functions("x = [[ function b() end", " (not sound)");
    functions("function", "1 1-1 (not sound)");
    functions("", "");
}

/* ---- sizes ---- */

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* UNIT again and again, up to 50 MiB; behind HEAD. */
static void big(const char *name, const char *head, const char *unit, uint32_t least)
{
    size_t size = 50 << 20, n = strlen(unit), at = strlen(head);
    char *text = malloc(size);
    struct lua_functions f;

    if (!text)
        return;
    memcpy(text, head, at);
    for (; at + n <= size; at += n)
        memcpy(text + at, unit, n);
    double before = seconds();
    bool ok = lua_functions_read(text, at, 1, &f);
    double took = seconds() - before;

    tap_ok(ok && f.n >= least && took < 2, "50 MiB of %s: %u functions in %.2f s of CPU", name, f.n,
           took);
    lua_functions_free(&f);
    free(text);
}

static void sizes(void)
{
    static char parens[6001];

    big("functions", "", "local function f(a, b)\n return { x = a, 'y' } -- z\nend\n", 900000);
    big("one line", "", "local function f(a, b) return { x = a, 'y' } end ", 900000);
    big("parentheses", "", "(", 1);
    big("nested functions", "", "function() ", 1000);
    big("ends", "", "end ", 1);
    memset(parens, '(', sizeof(parens) - 1);
    big("closers that do not fit", parens, "end until ] } ", 1);
    big("long brackets that do not end", "", "[=[", 1);
    big("an equals sign", "x = [", "=", 1);
}

/* ---- below a root ---- */

static void put(const char *name, const char *text, size_t len)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", root_dir, name);
    for (char *p = path + strlen(root_dir) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = '\0';
        mkdir(path, 0755);
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len)
        fprintf(stderr, "# %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static void link_to(const char *to, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", root_dir, name);
    if (symlink(to, path))
        fprintf(stderr, "# %s: %s\n", path, strerror(errno));
}

static void frame(struct lua_names *n, const char *text, const char *want)
{
    char out[LUA_FRAME_MAX];
    bool found = lua_names_frame(n, text, strlen(text), out, sizeof(out));
    bool same = !strcmp(text, want);

    tap_text(out, want, want);
    if (found == same && !strchr(want, '\\'))
        tap_ok(false, "%s: found is %d", text, found);
}

static const char source[] = "local M = {}\n"
                             "function M.get(k)\n"
                             "    local v = k\n"
                             "    each(function()\n"
                             "        v = v + 1\n"
                             "    end)\n"
                             "    return v\n"
                             "end\n"
                             "return M\n";

static const char nginx_conf[] = "# content_by_lua_block { a comment }\n"
                                 "http {\n"
                                 "  init_by_lua_block { local function setup() end }\n"
                                 "  server { location /${x} { set $a \"{\";\n"
                                 "    content_by_lua_block\n"
                                 "    {\n"
                                 "      local t = { \"}\" } -- }\n"
                                 "      local function inner()\n"
                                 "      end\n"
                                 "    }\n"
                                 "    access_by_lua 'local f = function() return \\'x\\' end\n"
                                 "      f()';\n"
                                 "    set_by_lua $v \"g = function() end\";\n"
                                 "  } }\n"
                                 "  include sites/*.conf;\n"
                                 "  include nginx.conf;\n"
                                 "}\n";

static void make_root(void)
{
    put_text("srv/lualib/resty/my-core.lua", source);
    put_text("srv/app/demo.lua", source);
    put_text("srv/app/two words.lua", source);
    put_text("srv/app/\xe5\xb7\xa5\xe5\x85\xb7.lua", source);
    put_text("etc/app/noext", source);
    put("etc/code.lua", "\033LJ\2\n", 5);
    put_text("conf/nginx.conf", nginx_conf);
    put_text("conf/sites/one.conf", "log_by_lua_block { local function log() end }\n");
    put_text("conf/sites/two.conf", "\nlog_by_lua_block { local function log2() end }\n");
    put_text("conf/a/same.conf", "");
    link_to("/srv/app/demo.lua", "srv/app/inside.lua");
    link_to("../../../../../../../../etc/app/noext", "srv/app/up.lua");
    link_to("/proc/self/exe", "srv/app/proc.lua");
    link_to("loop.lua", "srv/app/loop.lua");
    put_text("../outside.lua", source); /* beside the root: no link may lead there */
    link_to("../../../outside.lua", "srv/app/outside.lua");
    link_to(outside, "srv/app/absolute.lua");
}

static void frames(struct lua_names *n)
{
    frame(n, "@/srv/lualib/resty/my-core.lua:2", "resty.my_core:M.get");
    frame(n, "T:@/srv/lualib/resty/my-core.lua:2", "T:resty.my_core:M.get");
    frame(n, "T:@/srv/lualib/resty/my-core.lua:3", "T:resty.my_core:M.get");
    frame(n, "@/srv/lualib/resty/my-core.lua:5", "resty.my_core:M.get:4");
    frame(n, "@/srv/lualib/resty/my-core.lua:7", "resty.my_core:M.get");
    frame(n, "@/srv/lualib/resty/my-core.lua:0", "resty.my_core:(main chunk)");
    frame(n, "@/srv/lualib/resty/my-core.lua:9", "@/srv/lualib/resty/my-core.lua:9");
    frame(n, "@/srv/lualib/resty/my-core.lua:99", "@/srv/lualib/resty/my-core.lua:99");
    frame(n, "@/srv/app/demo.lua:2", "demo.lua:M.get");
    frame(n, "@./demo.lua:2", "demo.lua:M.get");
    frame(n, "@app/demo.lua:2", "demo.lua:M.get");
    frame(n, "@/srv/app/two words.lua:2", "two words.lua:M.get");
    frame(n, "@none.lua:2", "@none.lua:2");
    frame(n, "@/srv/app/\xe5\xb7\xa5\xe5\x85\xb7.lua:2", "\xe5\xb7\xa5\xe5\x85\xb7.lua:M.get");
    frame(n, "@/etc/app/noext:2", "/etc/app/noext:M.get");
    frame(n, "@/srv/app/inside.lua:2", "inside.lua:M.get");
    frame(n, "@/srv/app/up.lua:2", "up.lua:M.get");
    frame(n, "@/srv/app/outside.lua:2", "@/srv/app/outside.lua:2");
    frame(n, "@/srv/app/absolute.lua:2", "@/srv/app/absolute.lua:2");
    frame(n, "@/srv/app/proc.lua:2", "@/srv/app/proc.lua:2");
    frame(n, "@/srv/app/loop.lua:2", "@/srv/app/loop.lua:2");
    frame(n, "@/srv/app:2", "@/srv/app:2");
    frame(n, "@/etc/code.lua:1", "@/etc/code.lua:1");
    frame(n, "@:2", "@:2");
    frame(n, "@", "@");
    frame(n, "", "");
    frame(n, "T:", "T:");
    frame(n, "builtin#12", "builtin#12");
    frame(n, "C:lj_cf_print", "C:lj_cf_print");
    frame(n, "@/srv/app/demo.lua:99999999999", "@/srv/app/demo.lua:99999999999");
}

static void blocks(struct lua_names *n)
{
    frame(n, "=content_by_lua(nginx.conf:6):3", "content_by_lua(nginx.conf:6):inner");
    frame(n, "content_by_lua(nginx.conf:6):4", "content_by_lua(nginx.conf:6):inner");
    frame(n, "=content_by_lua(nginx.conf:10):3", "content_by_lua(nginx.conf:10):inner");
    frame(n, "=content_by_lua(nginx.conf:6):0", "content_by_lua(nginx.conf:6):(main chunk)");
    frame(n, "=content_by_lua(nginx.conf:6):2", "=content_by_lua(nginx.conf:6):2");
    frame(n, "=content_by_lua(nginx.conf:7):3", "=content_by_lua(nginx.conf:7):3");
    frame(n, "=init_by_lua(nginx.conf:3):1", "init_by_lua(nginx.conf:3):setup");
    frame(n, "=access_by_lua(nginx.conf:12):1", "access_by_lua(nginx.conf:12):f");
    frame(n, "=set_by_lua(nginx.conf:13):1", "set_by_lua(nginx.conf:13):g");
    frame(n, "=log_by_lua(sites/one.conf:1):1", "log_by_lua(sites/one.conf:1):log");
    frame(n, "=log_by_lua(...ites/two.conf:2):1", "log_by_lua(...ites/two.conf:2):log2");
    frame(n, "=log_by_lua(/conf/sites/two.conf:2):1", "log_by_lua(/conf/sites/two.conf:2):log2");
    frame(n, "=log_by_lua(one.conf:x):1", "=log_by_lua(one.conf:x):1");
    frame(n, "=_by_lua(:1):1", "=_by_lua(:1):1");
    frame(n, "=(command line):1", "=(command line):1");
}

static void clean(void)
{
    char out[64];

    clean_text("a\tb\x1b[31m\x7f\xff", 10, out, sizeof(out));
    tap_text(out, "a\\x09b\\x1b[31m\\x7f\\xff", "control characters are escaped");
    clean_text("\xe4\xb8\xad\xf0\x9f\x98\x80", 7, out, sizeof(out));
    tap_text(out, "\xe4\xb8\xad\xf0\x9f\x98\x80", "UTF-8 stays");
    clean_text("\xc0\xaf\xed\xa0\x80\xe4\xb8", 7, out, sizeof(out));
    tap_text(out, "\\xc0\\xaf\\xed\\xa0\\x80\\xe4\\xb8", "overlong, surrogate and cut are escaped");
    clean_text("a\xe2\x80\xae"
               "b\xc2\x85",
               7, out, sizeof(out));
    tap_text(out, "a\\xe2\\x80\\xaeb\\xc2\\x85", "what turns the text around is escaped");
    clean_text("abc\0d", 5, out, sizeof(out));
    tap_text(out, "abc\\x00d", "a NUL does not cut");
    clean_text("ab\xe4\xb8\xad", 5, out, 5);
    tap_text(out, "ab", "what is too long is cut at a character");
}

/* ARGUMENTS: of a process of EXE in /work; WANT: "PREFIX CONF". */
static void placed(const struct sysroot *root, const char *exe, const char *arguments, size_t len,
                   const char *want)
{
    struct nginx_place p;
    char got[512] = "none";

    if (nginx_place_find(&cx, root, exe, "/work", arguments, len, &p))
        snprintf(got, sizeof(got), "%s %s", p.prefix, p.conf ? p.conf : "-");
    tap_text(got, want, want);
}

#define PLACED(root, exe, arguments, want) placed(root, exe, arguments, sizeof(arguments) - 1, want)

static void places(const struct sysroot *root)
{
    static const char configured[] = "\177ELF\0\0 --prefix=/opt/web --conf-path=/etc/web.conf "
                                     "--with-debug\0";

    put("bin/nginx", configured, sizeof(configured) - 1);
    put_text("bin/openresty", "");
    put_text("bin/other", "");
    PLACED(root, "/bin/nginx", "nginx: master process nginx -p /a/b -c c.conf",
           "/a/b/ /a/b/c.conf");
    PLACED(root, "/bin/nginx", "nginx: master process /bin/nginx -p /a/ -c /c.conf", "/a/ /c.conf");
    PLACED(root, "/bin/nginx", "nginx\0-p\0a b\0-cx y\0", "/work/a b/ /work/a b/x y");
    PLACED(root, "/bin/nginx", "nginx: master process nginx", "/opt/web/ /etc/web.conf");
    PLACED(root, "/bin/nginx", "nginx: master process nginx -p /a", "/a/ /etc/web.conf");
    PLACED(root, "/bin/openresty", "openresty\0",
           "/usr/local/nginx/ /usr/local/nginx/conf/nginx.conf");
    PLACED(root, "/bin/openresty", "openresty\0-p",
           "/usr/local/nginx/ /usr/local/nginx/conf/nginx.conf");
    PLACED(root, "/bin/other", "luajit\0-p\0/a\0", "none");
    PLACED(root, "/bin/nginx", "", "/opt/web/ /etc/web.conf");
}

static void changed(const struct lua_place *place)
{
    struct lua_place later = *place;

    later.since = time(NULL) - 3600;
    struct lua_names *n = lua_names_at(&cx, &later);

    frame(n, "@/srv/app/demo.lua:2", "@/srv/app/demo.lua:2");
    frame(n, "=init_by_lua(nginx.conf:3):1", "=init_by_lua(nginx.conf:3):1");
    lua_names_free(n);
    later.since = time(NULL) + 60;
    n = lua_names_at(&cx, &later);
    frame(n, "@/srv/app/demo.lua:2", "demo.lua:M.get");
    lua_names_free(n);
}

/* ---- includes, and many blocks ---- */

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The blocks that "include PATTERN;" finds; *STOPPED: a bound was reached. */
static struct nginx_blocks *included(const struct sysroot *root, const char *pattern, bool *stopped)
{
    char text[512];

    snprintf(text, sizeof(text), "include %s;\n", pattern);
    put_text("inc/main.conf", text);
    bounds_begin(&cx);
    struct nginx_blocks *b = nginx_blocks_read(&cx, root, "/inc/main.conf");

    *stopped = !bounds_end();
    return b;
}

/* WANT: the files whose blocks are found, in their order. */
static void includes(const struct sysroot *root, const char *pattern, const char *want)
{
    char got[512] = "";
    size_t n = 0;
    bool stopped;
    struct nginx_blocks *b = included(root, pattern, &stopped);

    for (uint32_t i = 0; i < b->n && n < sizeof(got); i++)
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s", i ? " " : "", b->v[i].file);
    tap_text(stopped ? "stopped" : got, want, pattern);
}

static void patterns(const struct sysroot *root)
{
    static const char block[] = "log_by_lua_block { }\n";

    put_text("inc/b/x.conf", block);
    put_text("inc/b/a/a/y.conf", block);
    put_text("inc/a/x.conf", block);
    put_text("inc/a/.hidden.conf", block);
    put_text("inc/c/z.txt", block);
    put_text("a.conf", block);
    link_to(".", "inc/c/self");
    link_to("../../../../a.conf", "inc/c/up.conf");

    includes(root, "b/x.conf", "/inc/b/x.conf");
    includes(root, "/inc/b/x.conf", "/inc/b/x.conf");
    includes(root, "*/x.conf", "/inc/a/x.conf /inc/b/x.conf");
    includes(root, "/*/[ab]/?.conf", "/inc/a/x.conf /inc/b/x.conf");
    includes(root, "*/a/a/y.conf", "/inc/b/a/a/y.conf");
    includes(root, "b/*/a/*.conf", "/inc/b/a/a/y.conf");
    includes(root, "*/a/a/..", "");
    includes(root, "b//*//a//y.conf", "/inc/b//a/a//y.conf");
    includes(root, "a/*.conf", "/inc/a/x.conf");
    includes(root, "a/.h*", "/inc/a/.hidden.conf");
    includes(root, "c/*.conf", "/inc/c/up.conf");
    includes(root, "none/*.conf", "");
    includes(root, "c/s*/s*/s*/s*/s*/s*/s*/z*", "/inc/c/self/self/self/self/self/self/self/z.txt");
    includes(root, "c/s*/s*/s*/s*/s*/s*/s*/s*/z*", ""); /* more patterns than are followed */
    includes(root, "*.conf", "");                       /* itself, and again */
}

/* Forty links to their own folder: a pattern of eight parts would fit 40^8 names. */
static void endless(const struct sysroot *root)
{
    char name[64];
    double from = cpu_seconds();
    bool stopped;

    put_text("inc/many/x.conf", "");
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "inc/many/a%d", i);
        link_to(".", name);
    }
    FILE *said = tmpfile();

    diag_stream(cx.diag, said);
    included(root, "many/*/*/*/*/*/*/*/*.conf", &stopped);
    tap_ok(stopped, "patterns that fit too many files are an error");
    included(root, "many/*/*/*/*/*/*/*/none*", &stopped);
    tap_ok(stopped, "patterns that fit too many folders, and no file, are one");
    included(root, "many/*/a1/a2/..", &stopped);
    tap_ok(!stopped, "a pattern and a path without one is looked at once for each match");
    diag_stream(cx.diag, stderr);
    fclose(said);
    tap_ok(cpu_seconds() - from < 5, "in under five seconds (%.2f s)", cpu_seconds() - from);
}

enum { BLOCKS = 60000, FILES = 300, CHUNKS = 20000 };

/*
 * BLOCKS in FILES are looked up by CHUNKS names; each is found, and is that of its file. Going
 * through all blocks for a name takes twice MOST seconds.
 */
static void look_up(const struct sysroot *root, uint32_t files, double most)
{
    uint32_t lines = BLOCKS / files, wrong = 0;
    size_t size = (size_t)lines * 32, n = 0;
    char *text = malloc(size), name[64];
    double from = cpu_seconds();
    bool stopped;

    for (uint32_t i = 0; i < lines; i++)
        n += (size_t)snprintf(text + n, size - n, "log_by_lua_block { }\n");
    for (uint32_t i = 0; i < files; i++) {
        snprintf(name, sizeof(name), "inc/of%u/%u.conf", files, i);
        put(name, text, n);
    }
    free(text);
    snprintf(name, sizeof(name), "of%u/*.conf", files);
    struct nginx_blocks *b = included(root, name, &stopped);

    tap_ok(!stopped && b->n == lines * files, "%u blocks in %u files", b->n, files);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        uint32_t file = i * 7919 % files, line = i * 104729 % lines + 1;
        size_t len =
            (size_t)snprintf(name, sizeof(name), "log_by_lua(of%u/%u.conf:%u)", files, file, line);
        const struct nginx_block *found = nginx_block_find(b, name, len);

        wrong += !found || found->line != line || atoi(strrchr(found->file, '/') + 1) != (int)file;
    }
    tap_ok(!wrong, "%u names find their blocks, %u do not", CHUNKS - wrong, wrong);
    tap_ok(!nginx_block_find(b, "log_by_lua(0.conf:99999)", 24), "a line without a block");
    tap_ok(cpu_seconds() - from < most, "in under %g seconds (%.2f s)", most, cpu_seconds() - from);
}

int main(void)
{
    struct lua_place place = {.cwd = "/srv/app", .prefix = "/srv/", .conf = "/conf/nginx.conf"};
    char command[64];

    cx.arena = arena_new();
    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, stderr);
    every_form();
    tokens();
    faults();
    clean();
    sizes();
    struct sysroot *root = NULL;

    if (mkdtemp(base_dir)) {
        snprintf(root_dir, sizeof(root_dir), "%s/root", base_dir);
        snprintf(outside, sizeof(outside), "%s/outside.lua", base_dir);
        mkdir(root_dir, 0755);
        root = sysroot_new(&cx, root_dir);
    }

    if (tap_ok(root != NULL, "a root")) {
        make_root();
        place.root = root;
        struct lua_names *n = lua_names_at(&cx, &place);

        frames(n);
        blocks(n);
        lua_names_free(n);
        changed(&place);
        places(root);
        patterns(root);
        endless(root);
        look_up(root, 1, 1);
        look_up(root, FILES, 3);
        sysroot_free(root);
        snprintf(command, sizeof(command), "rm -rf --one-file-system %s", base_dir);
        if (system(command))
            fprintf(stderr, "# %s is left\n", base_dir);
    }
    arena_free(cx.arena);
    return tap_done();
}
