"""Drives a headless Chromium over its debugging pipe, as a person would use a flame graph: real key
presses and mouse clicks, and what is on the screen afterwards. tests/browser.sh calls it:
browser.py CHROMIUM SVG HOSTILE_SVG DIFF_SVG LONG_SVG. Prints TAP.

The protocol: JSON messages ended by a NUL on descriptors 3 (to the browser) and 4 (from it)."""

import json
import os
import subprocess
import sys
import tempfile

count = 0
failed = 0


def ok(good, name, note=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}", flush=True)
    if note and not good:
        print(f"# {note}")


class Browser:
    def __init__(self, program, profile):
        to, self.out = os.pipe()
        self.into, back = os.pipe()

        def descriptors():
            os.dup2(to, 103)
            os.dup2(back, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
             "--window-size=1200,800",
             f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=descriptors, pass_fds=(3, 4),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to)
        os.close(back)
        self.number = 0
        self.buffer = b""
        self.dialogs = 0
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        answer = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = answer["sessionId"]
        self.call("Page.enable")

    def read(self):
        while b"\0" not in self.buffer:
            more = os.read(self.into, 1 << 20)
            if not more:
                raise EOFError("the browser has gone")
            self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(message)
        if message.get("method") == "Page.javascriptDialogOpening":
            self.dialogs += 1
        return message

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer.get("result", {})

    def open(self, path):
        self.call("Page.navigate", url=path if ":" in path else "file://" + path)
        while self.read().get("method") != "Page.loadEventFired":
            pass

    def open_new(self, address):
        """Not from a page of the same file, whose script would see a change of address only."""
        self.open("about:blank")
        self.open(address)

    def screen(self, width, height=800, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def hover(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def box(self, selector):
        return self.ask(f"(r => ({{x: r.x, y: r.y, w: r.width, h: r.height}}))"
                        f"(document.querySelector('{selector}').getBoundingClientRect())")

    def ask(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def click(self, x, y):
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key, code=None, modifiers=0):
        text = key if len(key) == 1 and not modifiers else ""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code or key, modifiers=modifiers,
                      windowsVirtualKeyCode={"Escape": 27}.get(key, ord(key[0].upper())),
                      **({"text": text} if text and kind == "keyDown" else {}))

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (EOFError, OSError):
            pass
        self.process.wait(timeout=20)


# What a person sees: every frame that is shown, with its place on the screen and its label.
FRAMES = """Array.from(document.querySelectorAll('g.f')).filter(g => g.style.display !== 'none').map(g => {
    const r = g.querySelector('rect').getBoundingClientRect();
    return {name: g.dataset.n, count: +g.dataset.c, depth: +g.dataset.d,
            x: r.x, y: r.y, w: r.width, h: r.height,
            label: g.querySelector('text').textContent, match: g.classList.contains('match')};
})"""
HASH = "location.hash"
MATCHED = "document.getElementById('matched').textContent"
DETAILS = "document.getElementById('details').textContent"

# The least contrast (WCAG) of a label with its frame, which may be translucent, on the page.
CONTRAST = """(() => {
    const rgb = text => (text.match(/[0-9.]+/g) || []).slice(0, 3).map(Number);
    const linear = x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4;
    const light = c => { const v = c.map(x => x / 255).map(linear);
                         return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
    const paper = rgb(getComputedStyle(document.documentElement).backgroundColor);
    const shown = g => g.style.display !== 'none';
    return Math.min(...Array.from(document.querySelectorAll('g.f')).filter(shown).map(g => {
        const r = getComputedStyle(g.querySelector('rect')), a = +r.fillOpacity * +getComputedStyle(g).opacity;
        const under = light(rgb(r.fill).map((c, i) => c * a + paper[i] * (1 - a)));
        const over = light(rgb(getComputedStyle(g.querySelector('text')).fill));
        return (Math.max(under, over) + .05) / (Math.min(under, over) + .05);
    }));
})()"""


def of(frames, name):
    return [f for f in frames if f["name"] == name]


def centre(frame):
    return frame["x"] + frame["w"] / 2, frame["y"] + frame["h"] / 2


def picture(b, path):
    b.open(path)
    frames = b.ask(FRAMES)
    root = of(frames, "all")[0]
    ok(root["w"] > 900 and root["count"] == 383, "the picture is as wide as the page, with all samples", str(root))
    wrong = [f for f in frames if abs(f["w"] - root["w"] * f["count"] / root["count"]) > 0.5]
    ok(len(frames) == 9 and not wrong, "widths are proportional to counts",
       f"{len(frames)} {wrong}")
    above = [f for f in frames if f["depth"] and f["y"] >= root["y"]]
    ok(not above, "what is called lies above its caller", str(above))
    hot = max(of(frames, "@/srv/app/hot.lua:13"), key=lambda f: f["count"])
    ok(hot["label"] == hot["name"], "a wide frame has its whole name", hot["label"])

    b.hover(*centre(hot))
    ok("209 samples, 54.57 %" in b.ask(DETAILS), "details of what the mouse is over",
       b.ask(DETAILS))

    b.press("f", "KeyF", modifiers=2)
    ok(b.ask("document.activeElement.id") == "search", "Ctrl-F goes to the search box")
    for key in "hot":
        b.press(key)
    # hot.lua:13 is twice there, 209 and 30 samples, one of them with a frame above it: 239 of 383.
    ok(b.ask(MATCHED) == "2 frames match, in 62.4 % of all", "a search says the share",
        b.ask(MATCHED))
    ok(len([f for f in b.ask(FRAMES) if f["match"]]) == 2, "... and marks the frames")
    b.press("Escape")
    ok(b.ask(MATCHED) == "" and not [f for f in b.ask(FRAMES) if f["match"]], "Escape ends it")
    b.ask("document.activeElement.blur()")

    for key in "/":
        b.press(key, "Slash")
    for key in "lua":
        b.press(key)
    # main.lua:37 holds hot.lua and cold.lua: what is within a match counts once.
    ok(b.ask(MATCHED).endswith("in 100.0 % of all"), "matches within matches count once",
       b.ask(MATCHED))
    b.press("Escape")
    b.ask("document.activeElement.blur()")

    b.click(*centre(hot))
    zoomed = b.ask(FRAMES)
    wide = [f for f in of(zoomed, hot["name"]) if f["count"] == 209]
    ok(wide and abs(wide[0]["w"] - root["w"]) < 1, "a click makes a frame as wide as the page", str(wide))
    ok(not of(zoomed, "@/srv/app/cold.lua:25"), "... what is not in it is gone")
    ok(len(of(zoomed, "all")) == 1 and len(of(zoomed, "@/srv/app/main.lua:37")) == 1,
       "... its callers are still there")
    b.click(*centre(b.box("#reset")))
    ok(len(b.ask(FRAMES)) == 9, "a click on \"reset zoom\" shows all again")
    b.click(*centre(hot))
    b.press("Escape")
    ok(len(b.ask(FRAMES)) == 9, "Escape does, too")


def hostile(b, path):
    b.open(path)
    names = [f["name"] for f in b.ask(FRAMES)]
    ok("@/srv/<script>alert(1)</script>.lua:1" in names and
       "@]]><b>&amp;\"quoted\"'.lua:3" in names,
       "hostile names are text", str(names))
    ok(b.ask("document.querySelectorAll('script').length") == 1 and b.ask("document.querySelectorAll('b').length") == 0,
       "... and no elements")
    for frame in b.ask(FRAMES):
        b.click(*centre(frame))
        b.press("Escape")
    ok(b.dialogs == 0, "... that do nothing, shown, hovered and clicked")
    ok("@/srv/\u958b\u767a/\u6f22\u5b57.lua:2" in names, "names in other scripts are whole")


def difference(b, path):
    b.open(path)
    frames = {f["name"]: f for f in b.ask(FRAMES)}
    ok(abs(frames["new"]["w"] - frames["all"]["w"] * 0.25) < 1, "what is new has half of its share as width")
    colours = b.ask("Object.fromEntries(Array.from(document.querySelectorAll('g.f')).map(g => "
                    "[g.dataset.n, getComputedStyle(g.querySelector('rect')).fill]))")

    def red_over_blue(name):
        red, _, blue = (int(v) for v in colours[name][4:-1].split(",")[:3])
        return red - blue

    ok(red_over_blue("new") > 40 and red_over_blue("cold") < -40, "red is more, blue is less",
       str(colours))


def looks(b, path, diff):
    for width in 700, 1600:
        b.screen(width)
        b.open(path)
        root = b.box("#frames rect")
        ok(abs(root["x"] - 10) < 1 and abs(root["x"] + root["w"] - (width - 10)) < 1,
           f"equal margins at {width} pixels",
           str(root))
        last = max(b.ask(FRAMES), key=lambda f: f["x"])
        b.hover(*centre(last))
        tip = b.box("#details rect")
        ok(tip["x"] > 0 and tip["x"] + tip["w"] <= width and tip["y"] > centre(last)[1],
           "... details are within the window",
           str(tip))
    for dark in False, True:
        b.screen(1200, dark=dark)
        for page in path, diff:
            b.open(page)
            contrasts = [b.ask(CONTRAST)]
            deep = max(b.ask(FRAMES), key=lambda f: f["depth"])
            b.click(*centre(deep))
            contrasts.append(b.ask(CONTRAST))
            b.press("/", "Slash")
            b.press("o")
            contrasts.append(b.ask(CONTRAST))
            b.press("Escape")
            ok(min(contrasts) >= 4.5, f"labels can be read, {'dark' if dark else 'light'}: shown, zoomed, searched",
               str(contrasts))
    b.screen(1200)


def crowded(b, path):
    b.screen(700)
    b.open(path)

    def right(selector):
        box = b.box(selector)
        return box["x"] + box["w"]

    ok(right("#title") < b.box("#search")["x"], "a long title ends before the search box")
    whole = right("#about")
    ok(620 < whole <= 690, "a long command ends at the margin", str(whole))
    ok("the end of it" in b.ask("document.querySelector('#about title').textContent"), "... and is told whole")
    b.press("/", "Slash")
    b.press("a")
    ok(right("#about") < b.box("#matched")["x"], "... before what a search says")
    b.press("Escape")
    ok(abs(right("#about") - whole) < 1, "... until that is gone")
    b.click(*centre(of(b.ask(FRAMES), "resty.core.regex:gsub_with_a_long_name")[0]))
    ok(right("#legend") < b.box("#reset")["x"], "the legend ends before \"reset zoom\"")
    b.press("Escape")
    labels = {f["name"]: f["label"] for f in b.ask(FRAMES)}
    ok(labels["resty.core.regex:gsub_with_a_long_name"] == "gsub_with_a_long_name" and
       labels["C:ngx_http_lua_ngx_print_more"].startswith("ngx_http_lua"),
       "in a narrow frame the function stays",
       str(labels))


def shared(b, path):
    """A link has what was searched, zoomed and flipped: a copy of the address shows the same."""
    b.open(path)
    ok(b.ask(HASH) == "", "a page that was only opened has a plain address", b.ask(HASH))
    hot = max(of(b.ask(FRAMES), "@/srv/app/hot.lua:13"), key=lambda f: f["count"])
    b.click(*centre(hot))
    b.press("/", "Slash")
    b.call("Input.insertText", text="hot.lua:1[3]|&#%+")
    before, said, address = b.ask(FRAMES), b.ask(MATCHED), b.ask("location.href")
    b.open_new(address)
    ok(b.ask(FRAMES) == before and len(before) < 9, "an address opened anew shows the same frames", address)
    ok(b.ask(MATCHED) == said and b.ask("document.getElementById('search').value") == "hot.lua:1[3]|&#%+" and
       said.startswith("2 frames"), "... and the same search", b.ask(MATCHED))
    b.press("Escape")  # the zoom: the box has no focus, but a word
    b.press("Escape")
    ok(b.ask(HASH) == "" and b.ask(MATCHED) == "" and len(b.ask(FRAMES)) == 9,
       "what is ended leaves the address",
       b.ask(HASH))
    b.ask("location.hash = 's=main&v=icicle'; 1")
    ok(b.ask("new Promise(done => setTimeout(() => done(document.getElementById('search').value), 50))") == "main",
       "an address changed by hand changes the page")
    for word in "s=%E0%A4%A&x=99999999&v=1", "x=-1", "x=1e9&x=2", "x=constructor", \
            "s=(a%2B)%2B%24(", "&&==&", "s=%3Cb%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E":
        b.open_new("file://" + path + "#" + word)
        ok(len(b.ask(FRAMES)) == 9 and b.dialogs == 0 and
           b.ask("document.querySelectorAll('b').length") == 0,
           f"an address that makes no sense shows all: #{word}")


def flipped(b, path):
    b.open(path)
    upright = b.ask(FRAMES)
    b.press("i")
    icicle = b.ask(FRAMES)
    root = of(icicle, "all")[0]
    ok(root["y"] == min(f["y"] for f in upright) and
       not [f for f in icicle if f["depth"] and f["y"] != root["y"] + 17 * f["depth"]],
       "i turns it: what is called hangs below its caller", str(icicle))
    ok([(f["name"], f["x"], f["w"], f["label"]) for f in icicle] ==
       [(f["name"], f["x"], f["w"], f["label"]) for f in upright], "... and nothing else")
    texts = b.ask("Array.from(document.querySelectorAll('g.f')).every(g => Math.abs(g.children[1].getAttribute('y') - "
                  "g.children[0].getAttribute('y') - 12) < 1)")
    ok(texts, "... with the labels")
    hot = max(of(icicle, "@/srv/app/hot.lua:13"), key=lambda f: f["count"])
    b.click(*centre(hot))
    zoomed = b.ask(FRAMES)
    ok(of(zoomed, "all")[0]["y"] == root["y"], "a zoom leaves it so")
    b.open_new(b.ask("location.href"))
    ok(b.ask(FRAMES) == zoomed, "an address has it, too", b.ask("location.href"))
    b.press("Escape")
    b.click(*centre(b.box("#flip")))
    ok(b.ask(FRAMES) == upright and b.ask(HASH) == "", "a click at the foot turns it back")
    b.press("/", "Slash")
    b.press("i")
    ok(of(b.ask(FRAMES), "all")[0]["y"] == of(upright, "all")[0]["y"] and "frame" in b.ask(MATCHED),
       "an i in the box is a letter")
    b.press("Escape")


def main():
    program, svg, hostile_svg, diff_svg, long_svg = sys.argv[1:]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        b = Browser(program, profile)
        try:
            picture(b, svg)
            shared(b, svg)
            flipped(b, svg)
            hostile(b, hostile_svg)
            difference(b, diff_svg)
            looks(b, svg, diff_svg)
            crowded(b, long_svg)
        finally:
            b.close()
    print(f"1..{count}")
    sys.exit(failed > 0)


main()
