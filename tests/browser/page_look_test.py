"""The page in every light and size, and of documents that are unlike the usual one."""

import http.server
import threading

import pytest

from .documents import document, spaced

LOOKS = [("light", 1240), ("dark", 1240), ("light", 360), ("dark", 360), ("light", 768)]


def luminance(colour):
    parts = [int(x) / 255 for x in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    r, g, b = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def assert_fits(browser, width):
    """No sideways scrolling: nothing reaches beyond the window but what scrolls by itself."""
    assert browser.run("return [document.documentElement.scrollWidth, innerWidth]") == [width, width]
    wide = browser.run(
        "return [...document.querySelectorAll('body *')].filter((it) => !it.closest('.scroll') && it.getBoundingClientRect().right > innerWidth + 0.5)"
        ".map((it) => it.tagName + '#' + it.id + '.' + it.className)")
    assert wide == []


@pytest.mark.parametrize("scheme,width", LOOKS)
def test_it_fits_and_can_be_read(browser, open_made, made, scheme, width):
    open_made(made, width=width, scheme=scheme)
    assert_fits(browser, width)
    path = browser.screenshot(f"{scheme}-{width}")
    assert path.stat().st_size > 30_000
    assert_fits(browser, width)
    inks = browser.run(
        "const of = (it, name) => getComputedStyle(document.querySelector(it))[name];"
        "return [[of('body', 'color'), of('body', 'backgroundColor')], [of('dt', 'color'), of('.card', 'backgroundColor')], [of('#summary', 'color'), of('body', 'backgroundColor')]]")
    for ink, ground in inks:
        assert contrast(ink, ground) >= 4.5
    assert (luminance(inks[0][1]) < 0.1) == (scheme == "dark")
    drawn = browser.run("return Chart.all.map((it) => !!it.view)")
    assert len(drawn) == 8 and all(drawn)


def test_charts_follow_the_width(browser, open_made, made):
    open_made(made)
    browser.screenshot("width")
    for width in (700, 360, 1240):
        browser.size(width, 900)
        browser.settle()
        browser.settle()
        assert_fits(browser, width)
        sizes = browser.run(
            "return Chart.all.map(({ host }) => { const drawn = host.querySelector('canvas, svg');"
            "return [host.clientWidth, parseFloat(drawn.style.width || drawn.getAttribute('width'))] })")
        assert all(drawn == pytest.approx(host, abs=2) for host, drawn in sizes), sizes


def test_charts_follow_the_light(browser, open_made, made):
    open_made(made)
    texts = "return [...document.querySelectorAll('[data-curve=drift] svg text')].map((it) => it.getAttribute('fill'))"
    browser.screenshot("follow")
    light = browser.run(texts)
    browser.media("dark")
    browser.settle()
    dark = browser.run(texts)
    assert light and dark and not set(light) & set(dark)
    assert dark[0] == browser.run("return getComputedStyle(document.documentElement).getPropertyValue('--soft')")


def test_paper_is_light_and_holds_every_chart(browser, open_made, made):
    open_made(made, scheme="dark")
    browser.run("window.dispatchEvent(new Event('beforeprint'))")
    browser.media("dark", kind="print")
    browser.settle()
    assert browser.run("return Chart.all.every((it) => it.view)")
    assert luminance(browser.run("return getComputedStyle(document.body).backgroundColor")) > 0.9
    assert set(browser.run("return [...document.querySelectorAll('[data-curve=drift] svg text')].map((it) => it.getAttribute('fill'))")) == {"#5b6470"}
    assert browser.run("return [...document.querySelectorAll('button')].every((it) => !it.checkVisibility())")
    browser.media("dark")
    browser.run("window.dispatchEvent(new Event('afterprint'))")
    assert luminance(browser.run("return getComputedStyle(document.body).backgroundColor")) < 0.1


def test_nothing_moves_for_those_who_want_that(browser, open_made, made):
    open_made(made)
    browser.media("light", motion="reduce")
    moving = browser.run("return [...document.querySelectorAll('*')].filter((it) => parseFloat(getComputedStyle(it).transitionDuration) > 0 || getComputedStyle(it).animationName !== 'none').length")
    assert moving == 0


class Listener(http.server.BaseHTTPRequestHandler):
    heard = []

    def do_GET(self):
        self.heard.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_names_are_text_and_the_page_cannot_ask(chromium, open_made, made):
    with http.server.HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        name = f"</script><script>alert(1)</script><img src={address}model onerror=alert(2)>\u2028'\"&amp;"
        made["model"] = made["weights"] = name
        made["command"] = ["contourfuse", "fuse", "--model", name]
        made["evaluations"] = [{"alpha": made["alphas"][0], "gamma_cap": made["gammas"][0], "metrics": {"<b>loss</b>": 1.5}}]
        open_made(made)
        assert chromium.text("#model") == chromium.text("#weights") == name
        assert "<b>loss</b>" in chromium.text("#evaluation-table")
        assert chromium.run("return document.images.length + document.querySelectorAll('#evaluation-table b').length") == 0
        assert chromium.said() == []
        tried = chromium.driver.execute_async_script(
            "const [address, done] = arguments; fetch(address + 'fetch').then(() => done('sent'), () => done('refused'));", address)
        chromium.run("document.body.append(Object.assign(new Image(), { src: arguments[0] + 'image' }))", address)
        assert tried == "refused"
        # Later, as the driver's own scripts may evaluate.
        evaluated = "setTimeout(() => { try { window.evaluated = eval('1') } catch (error) { window.evaluated = error.name } })"
        chromium.run("document.body.append(Object.assign(document.createElement('script'), { text: arguments[0] }))", evaluated)
        chromium.settle()
        assert chromium.run("return window.evaluated") == "EvalError"
        chromium.settle()
        server.shutdown()
    assert Listener.heard == []
    assert any("Content Security Policy" in message for message in chromium.said())
    chromium.asked()


def without(made, *parts):
    for layer in made["layers"]:
        for part in parts:
            layer[part] = None
    return made


def test_without_probes_it_shows_the_weights(browser, open_made, made):
    made["parameters"]["probe"] = None
    made["budget"] = {"metric": "drift", "limit": 0.02, "front": [], "best": None}
    page = open_made(without(made, "output"))
    assert browser.run("return charts.maps.map((it) => it.host.dataset.map)") == ["drift", "lost_share", "clamped_share"]
    assert browser.all("#numbers dd") == []
    assert "no probes" in browser.text("#facts")
    assert page.shown()["drift"] > 0
    assert "No point of the grid has pooled drift ≤ 2 %" in browser.text("#budget-text")
    browser.screenshot("weights-only")


def test_a_role_without_a_delta_has_no_numbers(browser, open_made, made):
    page = open_made(with_nothing_known(without(made, "down")))
    shown = page.shown()
    assert shown["down_drift"] is None and shown["down_changed"] is None
    a, g = page.chosen()
    assert shown["gate_drift"] == shown["drift"] == page.line(a, g)["gate"]["drift"]


def with_nothing_known(made):
    for layer in made["layers"]:
        layer["output"] = {name: [None] * len(numbers) for name, numbers in layer["output"].items()} | {"error_after_norm": None}
    made["budget"] = {"metric": "drift", "limit": 1e9, "front": [], "best": None}
    return made


@pytest.mark.parametrize(
    "alphas,gammas,kinds",
    [
        ([0.5], [0.1], ("list", "list")),
        ([0, 0.01, 0.1, 1], [0.1, 0.2, 0.3, 0.4], ("list", "linear")),
        ([8, -1, 0.02, 2], [0, 1], ("list", "linear")),
        ([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5], spaced(0.01, 25, 9), ("log", "log")),
    ],
)
def test_axes_are_by_value_where_values_allow_it(browser, open_made, alphas, gammas, kinds):
    page = open_made(document(alphas, gammas, 3))
    assert tuple(browser.run("return [axes.a.type, axes.g.type]")) == kinds
    for a in (0, len(alphas) - 1):
        for g in (0, len(gammas) - 1):
            page.choose(0, 0)
            cell = page.cell("drift", a, g)
            browser.pointer(cell["x"], cell["y"], click=True)
            assert page.chosen() == (a, g)
            assert page.shown()["gate_drift"] == page.line(a, g)["gate"]["drift"]
    browser.screenshot(f"axes-{len(alphas)}-{len(gammas)}")


def test_notes_say_what_kind_of_numbers_they_are(browser, open_made, made):
    open_made(made)
    assert "before rounding" in browser.text("#notes") and "expectations" not in browser.text("#notes")
    made["parameters"] |= {"rounding": "stochastic"}
    open_made(made)
    assert "expectations" in browser.text("#notes")
    made["parameters"] |= {"exact": True, "probe": "captured"}
    open_made(made)
    assert "after rounding" in browser.text("#notes") and "expectations" not in browser.text("#notes")
    assert "captured from a running model" in browser.text("#notes")


def test_a_large_grid_opens_and_follows_at_once(browser, open_made):
    """64 α × 32 γ × 60 layers take 0.9 s of processor time to open and 12 ms a step."""
    before = browser.busy()
    page = open_made(document(spaced(0.005, 8, 64), spaced(0.002, 1, 32), 60))
    assert browser.busy() - before < 5
    page.choose(10, 5)
    assert page.shown()["gate_changed"] == page.line(10, 5)["gate"]["changed"]
    before = browser.busy()
    browser.driver.execute_async_script(
        "const done = arguments[0]; let left = 20;"
        "const next = () => { step(1, 1); requestAnimationFrame(() => (--left ? next() : done())); }; next();")
    assert (browser.busy() - before) / 20 < 0.1
    browser.click("#point-details summary")
    assert len(browser.all("#point-table tbody tr")) == 512
    browser.click("#point-table > button")
    assert len(browser.all("#point-table tbody tr")) == 1024
