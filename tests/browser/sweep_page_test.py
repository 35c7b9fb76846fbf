"""The page of a real sweep shows what results.jsonl and results.csv say, by mouse and by keyboard."""

import json
import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from e2e.program import program_path
from selenium.webdriver.common.keys import Keys

from .page import wanted_value

MAPS = ("error_after_norm", "drift", "lost_share", "clamped_share")


def assert_shows(shown, line):
    """Every number of a line, and nothing else."""
    own = {f"{part}_{field}": x for part in ("gate", "down", "output") for field, x in line[part].items()}
    own["error_after_norm"] = own.pop("output_error_after_norm")
    derived = {name: wanted_value(line, name) for name in ("drift", "changed_share", "lost_share", "sign_flips")}
    assert set(shown) == set(own) | set(derived)
    for name, x in own.items():
        assert shown[name] == x, name
    for name, x in derived.items():
        assert shown[name] == (None if x is None else pytest.approx(x, rel=1e-12)), name


def test_sliders_show_the_numbers_of_their_point(real):
    corners = [(0, 0), (7, 0), (0, 5), (7, 5), (3, 2), (4, 4)]
    seen = set()
    for a, g in corners:
        real.choose(a, g)
        assert real.chosen() == (a, g)
        shown = real.shown()
        assert_shows(shown, real.line(a, g))
        seen.add(tuple(shown.values()))
    assert len(seen) == len(corners)


def test_it_begins_at_the_best_point_of_the_budget(real):
    budget = json.loads(real.browser.text("#document"))["budget"]
    best = (real.alphas.index(budget["best"]["alpha"]), real.gammas.index(budget["best"]["gamma_cap"]))
    assert real.chosen() == best
    assert_shows(real.shown(), real.line(*best))
    assert "inside the budget" in real.browser.text("#summary")
    for button, point in zip(real.browser.all("#front button"), budget["front"], strict=True):
        button.click()
        real.browser.settle()
        assert real.chosen() == (real.alphas.index(point["alpha"]), real.gammas.index(point["gamma_cap"]))
        assert real.shown()["error_after_norm"] == point["value"] <= budget["limit"]
    shown = real.browser.run("return [...document.querySelectorAll('#front [data-value]')].map((it) => Number(it.dataset.value))")
    assert shown == [point[name] for point in budget["front"] for name in ("alpha", "gamma_cap", "value")]


@pytest.mark.parametrize("metric", MAPS)
def test_cells_have_the_colour_of_their_value_and_choose_their_point(real, metric):
    for a, g in ((1, 4), (6, 1), (4, 3)):
        real.choose(7, 0)  # its mark lies elsewhere
        cell = real.cell(metric, a, g)
        wanted = [int(x) for x in cell["wanted"].removeprefix("rgb(").removesuffix(")").split(",")]
        assert cell["pixel"] == pytest.approx(wanted, abs=2)
        real.browser.pointer(cell["x"], cell["y"])
        value, place = real.browser.run("return [...document.querySelectorAll('#tip > div')].map((it) => it.textContent)")
        assert not real.browser.run("return document.getElementById('tip').hidden")
        assert real.browser.run("return metrics[arguments[0]].show(arguments[1])", metric, wanted_value(real.line(a, g), metric)) in value
        assert place == real.browser.run("return `α ${short(arguments[0])}, γ ${short(arguments[1])}`", real.alphas[a], real.gammas[g])
        real.browser.pointer(cell["x"], cell["y"], click=True)
        assert real.chosen() == (a, g)
        assert_shows(real.shown(), real.line(a, g))


def test_the_keyboard_reaches_and_does_everything(real):
    browser = real.browser
    browser.run("document.activeElement.blur()")
    reached = []
    for _ in range(60):
        browser.press(Keys.TAB)
        focused = browser.run(
            "const it = document.activeElement; if (it === document.body) return null;"
            "const look = getComputedStyle(it); return [it.id || it.dataset.map || it.ariaLabel || it.tagName, look.outlineStyle, parseFloat(look.outlineWidth)]")
        if focused is None:
            break
        reached.append(focused[0])
        assert focused[1] != "none" and focused[2] >= 2, focused
        if focused[0] == "alpha":
            browser.press(Keys.HOME, Keys.ARROW_RIGHT)
        if focused[0] == "gamma":
            browser.press(Keys.END, Keys.ARROW_LEFT)
            assert real.chosen() == (1, 4)
        if focused[0] == "layer":
            browser.press(Keys.ARROW_DOWN)
            assert_shows(real.shown(), real.line(1, 4, real.layers[0]))
            browser.press(Keys.ARROW_UP)
        if focused[0] == "lost_share":
            browser.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
            assert real.chosen() == (3, 3)
            browser.press(Keys.END, Keys.PAGE_DOWN)
            assert real.chosen() == (7, 0)
            browser.press(Keys.HOME, Keys.PAGE_UP, Keys.ARROW_UP, Keys.ARROW_LEFT)
            assert real.chosen() == (0, 5)
            assert_shows(real.shown(), real.line(0, 5))
    order = ["alpha", "gamma", "layer", "error_after_norm", "copy", "drift", "lost_share", "clamped_share", "front", "csv-all", "csv-totals"]
    assert [it for it in reached if it in order] == order
    assert reached.count("SUMMARY") == 2
    assert sum(it.startswith("Choose") for it in reached) == len(browser.all("#front button")) >= 2


def test_the_live_region_says_the_chosen_point(real):
    said = set()
    for a in range(3):
        real.choose(a, 2)
        text = real.browser.text("#summary")
        shown = real.browser.run("return metrics.error_after_norm.show(arguments[0])", real.line(a, 2)["output"]["error_after_norm"])
        assert f"error after the norm {shown}" in text
        said.add(text)
    assert len(said) == 3
    assert real.browser.find("#summary").get_attribute("aria-live") == "polite"


def test_layers_have_their_own_numbers_map_and_curves(real):
    real.choose(5, 3)
    for layer in (real.layers[1], real.layers[-1]):
        real.browser.run("const it = document.getElementById('layer'); it.value = arguments[0]; it.dispatchEvent(new Event('change'))", str(real.layers.index(layer)))
        real.browser.settle()
        assert_shows(real.shown(), real.line(5, 3, layer))
        assert f"layer {layer}" in real.browser.text("#map-error_after_norm")
    real.browser.screenshot("one-layer")  # with every chart in view
    for a, g in ((5, 3), (1, 1), (7, 4)):
        real.choose(a, g)
        curves = real.browser.run(
            "return Object.fromEntries(charts.curves.map((it) => [it.host.dataset.curve, it.view.data('known').map((p) => [p.layer, p.kind, p.shown])]))")
        assert set(curves) == set(MAPS)
        for metric, points in curves.items():
            assert [point[0] for point in points] == real.layers
            wanted = [wanted_value(real.line(a, g, layer), metric) for layer in real.layers]
            assert [point[2] for point in points] == pytest.approx(wanted, rel=1e-12)
        assert {kind for points in curves.values() for _, kind, _ in points} == {"sliding", "global"}
    marks = real.browser.run(
        "const svg = document.querySelector('[data-curve=drift] svg');"
        "return [...svg.querySelectorAll('.mark-symbol path')].map((it) => [it.getAttribute('fill'), it.getAttribute('d').includes('A')])")
    assert len(marks) == len(real.layers) and len({tuple(mark) for mark in marks}) == 2  # colour and shape


def test_tables_hold_every_point_and_every_layer(real):
    real.browser.click("#point-details summary")
    rows = real.browser.run(
        "return [...document.querySelectorAll('#point-table tbody tr')].map((row) => [...row.cells].map((it) => [it.dataset.metric, it.dataset.value]))")
    assert len(rows) == len(real.alphas) * len(real.gammas)
    for row in rows:
        line = real.lines[float(row[0][1]), float(row[1][1]), None]
        for metric, value in row[2:]:
            wanted = wanted_value(line, metric)
            assert (float(value) if value else None) == (None if wanted is None else pytest.approx(wanted, rel=1e-12)), metric
    real.choose(2, 2)
    real.browser.click("#layer-details summary")
    for a, g in ((2, 2), (6, 1)):
        real.choose(a, g)
        rows = real.browser.run(
            "return [...document.querySelectorAll('#layer-table tbody tr')].map((row) => [row.cells[0].textContent, row.querySelector('[data-metric=gate_drift]').dataset.value])")
        assert [row[0] for row in rows] == [*map(str, real.layers), "all"]
        assert [float(row[1]) for row in rows] == [real.line(a, g, layer)["gate"]["drift"] for layer in [*real.layers, None]]


def downloaded(browser, name):
    path = browser.downloads / name
    for _ in range(400):
        if path.exists():
            text = path.read_bytes()
            path.unlink()
            return text
        time.sleep(0.05)
    raise AssertionError(f"{name} never came")


def test_the_csv_is_results_csv(real, swept):
    real.browser.click("#csv-all")
    assert downloaded(real.browser, "results.csv") == (swept / "results.csv").read_bytes()
    real.browser.click("#csv-totals")
    head, *rest = (swept / "results.csv").read_text().splitlines(keepends=True)
    totals = [row for row in rest if row.split(",")[2] == ""]
    assert downloaded(real.browser, "totals.csv").decode() == "".join([head, *totals])


def test_the_command_makes_the_chosen_point(real, tmp_path):
    real.choose(4, 3)
    real.browser.cdp("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    real.browser.click("#copy")
    text = real.browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0], (error) => arguments[0](String(error)))")
    assert text == real.browser.text("#command")
    assert real.browser.text("#copied") == "Copied"
    words = shlex.split(text)
    assert words[:2] == ["contourfuse", "fuse"] and "'" in text  # the delta's folder has a space
    environment = os.environ | {"PATH": f"{Path(program_path()).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", f"{text} --json"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    fused = json.loads(done.stdout)
    line = real.line(4, 3)
    for role in ("gate", "down"):
        records = [it for it in fused["matrices"] if it["role"] == role]
        for field in ("covered", "moved", "changed", "lost", "sign_flips"):
            assert sum(it[field] for it in records) == line[role][field], (role, field)
