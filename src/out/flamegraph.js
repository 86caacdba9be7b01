// The behaviour of ngstap's flame graphs: click to zoom, Ctrl-F or / to search, i to turn them into
// icicles, hover for details. Search, zoom and view are in the page's address, so that it can be
// shared.
(function () {
    "use strict";
    var svg = document.documentElement;
    var frames = svg.getElementById("frames");
    var nodes = Array.prototype.map.call(frames.children, function (g) {
        var node = {
            g: g, rect: g.children[1], text: g.children[2],
            x: +g.dataset.x, w: +g.dataset.w, depth: +g.dataset.d, name: g.dataset.n,
            about: g.children[0].textContent
        };
        g.node = node;
        g.removeChild(g.children[0]); // the browser's own tip, which comes late
        return node;
    });
    var view = nodes[0], icicle = false;
    var deepest = nodes.reduce(function (most, node) { return Math.max(most, node.depth); }, 0);
    var flip = svg.getElementById("flip");
    var details = svg.getElementById("details");
    var matched = svg.getElementById("matched");
    var box = svg.getElementById("search");
    var head = ["title", "about"].map(function (id) {
        var text = svg.getElementById(id);
        return { text: text, full: text.textContent };
    });
    var CHARACTER = 6.6, INSIDE = 6, SIDE = 10, ROW = 17;

    function within(node, of) {
        return node.x >= of.x - 1e-9 && node.x + node.w <= of.x + of.w + 1e-9;
    }

    // Characters with what stands on them; the columns that one takes (base/clean.c has the same
    // ranges).
    function characters(name) {
        return name.match(/[^][\u0300-\u036f\ufe00-\ufe0f]*/gu) || [];
    }
    var wide = new RegExp("^[\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\ua4cf\\ua960-\\ua97c" +
        "\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f\\uff00-\\uff60\\uffe0-\\uffe6" +
        "\\u{1f300}-\\u{1f64f}\\u{1f680}-\\u{1f6ff}\\u{1f900}-\\u{1faff}\\u{20000}-\\u{3fffd}]",
        "u");
    function columns(character) {
        return wide.test(character) ? 2 : 1;
    }
    function width(list) {
        return list.reduce(function (sum, character) { return sum + columns(character); }, 0);
    }

    // What says most: of a place in a file its end, of MODULE:FUNCTION the function.
    function label(name, room) {
        var list = characters(name), all = width(list);
        if (room < 3 || all <= room) {
            return room < 3 ? "" : name;
        }
        if (name[0] === "@") {
            while (all + 1 > room) {
                all -= columns(list.shift());
            }
            return "\u2026" + list.join("");
        }
        var last = name.slice(name.lastIndexOf(":") + 1);
        if (/^[\x80-\uffffA-Za-z_]/.test(last) && last !== name) {
            list = characters(last);
            all = width(list);
            name = last;
        }
        if (all <= room) {
            return name;
        }
        while (all + 1 > room) {
            all -= columns(list.pop());
        }
        return list.join("") + "\u2026";
    }

    function element(name, attributes, parent) {
        var e = document.createElementNS("http://www.w3.org/2000/svg", name);
        Object.keys(attributes).forEach(function (key) { e.setAttribute(key, attributes[key]); });
        return parent.appendChild(e);
    }

    // The head, cut where it would run into what is at the right of it.
    function fit() {
        var width = svg.getBoundingClientRect().width - 3 * SIDE;
        head.forEach(function (line, i) {
            var room = width - (i ? matched.getComputedTextLength() : 230), n = line.full.length;
            line.text.textContent = line.full;
            while (n > 1 && line.text.getSubStringLength(0, n) >
                    (n < line.full.length ? room - 12 : room)) {
                n--;
            }
            if (n < line.full.length) {
                line.text.textContent = line.full.slice(0, n) + "\u2026";
                element("title", {}, line.text).textContent = line.full;
            }
        });
    }

    function draw() {
        var pixels = svg.getBoundingClientRect().width - 2 * SIDE;
        svg.getElementById("page").setAttribute("width", pixels);
        nodes.forEach(function (node) {
            var above = node.depth < view.depth && within(view, node);
            var shown = above || (node.depth >= view.depth && within(node, view));
            node.g.style.display = shown ? "" : "none";
            if (!shown) {
                return;
            }
            var x = above ? 0 : (node.x - view.x) / view.w;
            var w = above ? 1 : node.w / view.w;
            var room = Math.floor((w * pixels - INSIDE) / CHARACTER);
            node.rect.setAttribute("x", 100 * x + "%");
            node.rect.setAttribute("width", 100 * w + "%");
            node.text.setAttribute("x", 100 * x + "%");
            var y = ROW * (icicle ? node.depth : deepest - node.depth);
            node.rect.setAttribute("y", y);
            node.text.setAttribute("y", y + 12);
            node.text.textContent = label(node.name, room);
            node.g.classList.toggle("above", above);
        });
        svg.getElementById("reset").style.display = view === nodes[0] ? "none" : "";
        flip.textContent = icicle ? "turn into flames (i)" : "turn into icicles (i)";
        fit();
    }

    // What the page shows, behind the # of its address: s=WORD, x=FRAME (its number in the file),
    // v=icicle.
    function remember() {
        var parts = new URLSearchParams(), word = box.value.trim(), to;
        if (word) {
            parts.set("s", word);
        }
        if (view !== nodes[0]) {
            parts.set("x", nodes.indexOf(view));
        }
        if (icicle) {
            parts.set("v", "icicle");
        }
        to = location.href.split("#")[0] + (parts.toString() && "#" + parts);
        if (to === location.href) {
            return;
        }
        try {
            history.replaceState(null, "", to);
        } catch (e) {
            // a page within another may not: it works all the same
        }
    }

    // What the address says; what makes no sense in it is as if it were not there.
    function recall() {
        var parts = new URLSearchParams(location.hash.slice(1)), number = parts.get("x") || "";
        box.value = parts.get("s") || "";
        view = (/^[0-9]{1,9}$/.test(number) && nodes[+number]) || nodes[0];
        icicle = parts.get("v") === "icicle";
        draw();
        search(box.value);
    }

    function zoom(node) {
        view = node;
        draw();
        remember();
    }

    function turn() {
        icicle = !icicle;
        draw();
        remember();
    }

    function look_for(word) {
        search(word);
        remember();
    }

    // Matches within matches count once.
    function search(word) {
        var test, total = 0, count = 0, covered = [];
        word = word.trim();
        try {
            var re = new RegExp(word, "i");
            test = function (s) { return re.test(s); };
        } catch (e) {
            test = function (s) { return s.toLowerCase().indexOf(word.toLowerCase()) >= 0; };
        }
        nodes.forEach(function (node, i) {
            var hit = word !== "" && i > 0 && test(node.name);
            node.g.classList.toggle("match", hit);
            if (!hit) {
                return;
            }
            count++;
            while (covered.length && !within(node, covered[covered.length - 1])) {
                covered.pop();
            }
            if (!covered.length) {
                covered.push(node);
                total += node.w;
            }
        });
        svg.classList.toggle("searching", word !== "");
        matched.textContent = word === "" ? "" : count +
            (count === 1 ? " frame matches" : " frames match") + ", in " +
            (100 * total / nodes[0].w).toFixed(1) + " % of all";
        fit();
    }

    // Beside the mouse, within the window: the name, in lines as wide as that, and the numbers.
    function tell(node, e) {
        var page = svg.getBoundingClientRect();
        var room = document.documentElement.clientWidth || page.width;
        var least = Math.max(20, Math.floor((room - 6 * SIDE) / 8)), lines = [], i;
        while (details.firstChild) {
            details.removeChild(details.firstChild);
        }
        if (!node) {
            return;
        }
        for (i = 0; i < node.name.length && lines.length < 6; i += least) {
            lines.push(node.name.slice(i, i + least));
        }
        var about = node.about.slice(node.name.length);
        lines.push(about.replace(/^ \((.*?)\): |^: /, function (all, kind) {
            return kind ? kind + ": " : "";
        }));
        var back = element("rect", { rx: 4, height: 16 * lines.length + 10 }, details);
        lines.forEach(function (line, n) {
            var style = n < lines.length - 1 ? "name" : "numbers";
            element("text", { x: 8, y: 18 + 16 * n, "class": style }, details).textContent = line;
        });
        var size = details.getBBox(), w = size.x + size.width + 8, h = 16 * lines.length + 10;
        back.setAttribute("width", w);
        var x = Math.min(e.clientX + 12, room - w - 4), y = e.clientY + 16;
        if (y + h > window.innerHeight) {
            y = e.clientY - h - 8;
        }
        details.setAttribute("transform", "translate(" + (Math.max(4, x) - page.left) + " " +
            (Math.max(4, y) - page.top) + ")");
    }

    function node_of(target) {
        var g = target.closest ? target.closest("g.f") : null;
        return g ? g.node : null;
    }

    frames.addEventListener("click", function (e) {
        var node = node_of(e.target);
        if (node) {
            tell(null);
            zoom(node);
        }
    });
    frames.addEventListener("mousemove", function (e) { tell(node_of(e.target), e); });
    frames.addEventListener("mouseleave", function () { tell(null); });
    svg.getElementById("reset").addEventListener("click", function () { zoom(nodes[0]); });
    box.parentNode.style.display = "";
    flip.style.display = "";
    flip.addEventListener("click", turn);
    box.addEventListener("input", function () { look_for(box.value); });
    window.addEventListener("keydown", function (e) {
        var elsewhere = document.activeElement !== box, control = e.ctrlKey || e.metaKey;
        // Pressed again, it is the browser's.
        if (elsewhere && ((control && e.key === "f") || e.key === "/")) {
            e.preventDefault();
            box.focus();
            box.select();
        } else if (elsewhere && e.key === "i" && !control && !e.altKey) {
            turn();
        } else if (e.key === "Escape") {
            if (box.value) {
                box.value = "";
                look_for("");
            } else {
                box.blur();
                zoom(nodes[0]);
            }
        }
    });
    window.addEventListener("resize", draw);
    window.addEventListener("hashchange", recall);
    recall();
})();
