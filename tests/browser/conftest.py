"""One browser for all tests of a file; a test's page says nothing on the console and asks for nothing."""

import shutil

import pytest
from e2e.program import DONE, SOURCE, run

from .browser import Browser
from .documents import document, lines, spaced, write_page
from .page import SweepPage, read_lines

MODEL = SOURCE / "examples" / "tiny-gemma4"


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    downloads = tmp_path_factory.mktemp("downloads")
    browser = Browser(downloads)
    yield browser
    browser.quit()
    shutil.rmtree(downloads)


@pytest.fixture
def browser(chromium):
    """After the test: nothing on the console, and the page and what is in it are all that was asked for."""
    yield chromium
    assert chromium.said() == []
    asked = chromium.asked()
    assert [url for url in asked if not url.startswith(("file:///", "data:", "blob:"))] == []
    assert all(url.endswith(".html") for url in asked if url.startswith("file:///"))


@pytest.fixture(scope="session")
def swept(tmp_path_factory):
    """A run's folder: the trained example over 8 × 6 points, alphas neither ascending nor positive."""
    folder = tmp_path_factory.mktemp("swept")
    run("generate", "--base-model", MODEL, "--output-dir", folder / "the delta", "--recipe-only", expect=DONE)
    axes = ("--alphas", "0.02,log:0.25:16:6,-1", "--gammas", "log:0.01:25:5,0")
    run("sweep", "run", "--model", MODEL, "--weights", folder / "the delta", "--output", folder / "run", *axes, "--probe-tokens", "64", expect=DONE)
    yield folder / "run"
    shutil.rmtree(folder)


@pytest.fixture
def real(browser, swept):
    """The page of that run."""
    browser.open(swept / "report.html")
    return SweepPage(browser, read_lines(swept / "results.jsonl"))


@pytest.fixture
def open_made(browser, tmp_path):
    """Opens the page of a made-up document."""

    def open_page(made, **window):
        browser.open(write_page(made, tmp_path / "report.html"), **window)
        return SweepPage(browser, lines(made))

    return open_page


@pytest.fixture
def made():
    return document(spaced(0.005, 8, 16), spaced(0.002, 1, 12), 12)
