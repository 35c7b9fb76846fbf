"""The sweep's page as a reader sees it: what it shows of a point, and where its cells are."""

import json


class SweepPage:
    """`lines` are those of results.jsonl, in their order; places count along the ascending values."""

    def __init__(self, browser, lines):
        self.browser = browser
        self.lines = {(line["alpha"], line["gamma_cap"], line["layer"]): line for line in lines}
        self.alphas = sorted({line["alpha"] for line in lines})
        self.gammas = sorted({line["gamma_cap"] for line in lines})
        self.layers = list(dict.fromkeys(line["layer"] for line in lines if line["layer"] is not None))

    def line(self, a, g, layer=None):
        return self.lines[self.alphas[a], self.gammas[g], layer]

    def shown(self, within="#numbers"):
        """Metric -> the number beside it, or None."""
        found = self.browser.run(
            "return [...document.querySelector(arguments[0]).querySelectorAll('[data-metric]')]"
            ".map((it) => [it.dataset.metric, it.dataset.value, it.textContent])", within)
        for metric, value, text in found:
            assert (text == "–") == (value == ""), (metric, value, text)
        return {metric: float(value) if value else None for metric, value, _ in found}

    def chosen(self):
        """Places on both axes, as the sliders have them."""
        return tuple(int(self.browser.run("return document.querySelector(arguments[0]).value", it)) for it in ("#alpha", "#gamma"))

    def choose(self, a, g):
        self.browser.slide("#alpha", a)
        self.browser.slide("#gamma", g)

    def cell(self, metric, a, g):
        """The middle of a cell in the window, and its colour on the canvas and by the scale."""
        host = f"[data-map={metric}]"
        self.browser.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", host)
        self.browser.settle()
        self.browser.settle()
        return self.browser.run(
            """const [host, a, g, ofValue] = arguments;
            const chart = Chart.all.find((it) => it.host.matches(host));
            const canvas = chart.host.querySelector("canvas");
            const [left, top] = chart.view.origin();
            const x = left + chart.view.scale("x")(middleOf(axes.a, a)) + chart.view.padding().left;
            const y = top + chart.view.scale("y")(middleOf(axes.g, g)) + chart.view.padding().top;
            const box = canvas.getBoundingClientRect();
            const scale = canvas.width / box.width;
            const one = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
            one.drawImage(canvas, x * scale, y * scale, 1, 1, 0, 0, 1, 1);
            const pixel = one.getImageData(0, 0, 1, 1).data;
            const wanted = ofValue === null ? null : chart.view.scale("colour")(ofValue);
            return { x: box.left + x, y: box.top + y, pixel: [...pixel].slice(0, 3), wanted };""",
            host, a, g, wanted_value(self.line(a, g), metric))


def pooled(line, field, of, parts=("gate", "down")):
    known = [line[part] for part in parts if line[part] is not None]
    whole = sum(part[of] for part in known)
    return sum(part[field] for part in known) / whole if whole else None


def wanted_value(line, metric):
    """What the page should show for a metric of one line of results.jsonl."""
    if metric == "drift":
        known = [line[part]["drift"] for part in ("gate", "down") if line[part] and line[part]["drift"] is not None]
        return sum(x * x for x in known) ** 0.5 if known else None
    if metric == "changed_share":
        return pooled(line, "changed", "covered")
    if metric == "lost_share":
        return pooled(line, "lost", "moved")
    if metric == "clamped_share":
        return pooled(line, "clamped", "covered", ["gate"])
    if metric == "sign_flips":
        return sum(line[part]["sign_flips"] for part in ("gate", "down") if line[part])
    if metric == "error_after_norm":
        return line["output"] and line["output"]["error_after_norm"]
    part, field = metric.split("_", 1)
    return line[part] and line[part][field]


def read_lines(path):
    return [json.loads(text) for text in path.read_text().splitlines()]
