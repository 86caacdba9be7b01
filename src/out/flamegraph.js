// The behaviour of ngstap's flame graphs: click to zoom, Ctrl-F or / to search, hover for details.
(function () {
    "use strict";
    var svg = document.documentElement;
    var frames = svg.getElementById("frames");
    var nodes = Array.prototype.map.call(frames.children, function (g) {
        return {
            g: g, rect: g.children[1], text: g.children[2],
            x: +g.dataset.x, w: +g.dataset.w, depth: +g.dataset.d, name: g.dataset.n,
            about: g.children[0].textContent
        };
    });
    var view = nodes[0];
    var details = svg.getElementById("details");
    var matched = svg.getElementById("matched");
    var box = svg.getElementById("search");
    var CHARACTER = 6.6, INSIDE = 6;

    function within(node, of) {
        return node.x >= of.x - 1e-9 && node.x + node.w <= of.x + of.w + 1e-9;
    }

    // Of a place in a file the end says most.
    function label(name, room) {
        if (room < 3 || name.length <= room) {
            return room < 3 ? "" : name;
        }
        return name[0] === "@" ? "\u2026" + name.slice(1 - room) : name.slice(0, room - 1) + "\u2026";
    }

    function draw() {
        var pixels = frames.getBoundingClientRect().width || 1180;
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
            node.text.textContent = label(node.name, room);
            node.g.classList.toggle("above", above);
        });
        svg.getElementById("reset").style.display = view === nodes[0] ? "none" : "";
    }

    function zoom(node) {
        view = node;
        draw();
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
        matched.textContent = word === "" ? "" : count + " frames match, in " +
            (100 * total / nodes[0].w).toFixed(1) + " % of the samples";
    }

    function node_of(target) {
        var g = target.closest ? target.closest("g.f") : null;
        for (var i = 0; g && i < nodes.length; i++) {
            if (nodes[i].g === g) {
                return nodes[i];
            }
        }
        return null;
    }

    frames.addEventListener("click", function (e) {
        var node = node_of(e.target);
        if (node) {
            zoom(node);
        }
    });
    frames.addEventListener("mouseover", function (e) {
        var node = node_of(e.target);
        details.textContent = node ? node.about : "";
    });
    frames.addEventListener("mouseleave", function () { details.textContent = ""; });
    svg.getElementById("reset").addEventListener("click", function () { zoom(nodes[0]); });
    if (box) {
        box.addEventListener("input", function () { search(box.value); });
    }
    window.addEventListener("keydown", function (e) {
        if (box && (((e.ctrlKey || e.metaKey) && e.key === "f") || (e.key === "/" && document.activeElement !== box))) {
            e.preventDefault();
            box.focus();
            box.select();
        } else if (e.key === "Escape") {
            if (box && box.value) {
                box.value = "";
                search("");
            } else {
                zoom(nodes[0]);
            }
        }
    });
    window.addEventListener("resize", draw);
    draw();
})();
