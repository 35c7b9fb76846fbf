"""A headless Chromium that opens one page at a time and keeps what it said and asked for."""

import base64
import json
import os
from pathlib import Path

os.environ |= {"SE_AVOID_STATS": "true", "SE_OFFLINE": "true"}

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

FLAGS = ("--headless=new", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run", "--lang=en")


def build_folder():
    return Path(os.environ.get("CONTOURFUSE_BUILD_DIR", Path(__file__).resolve().parents[2] / "build" / "release"))


class Browser:
    def __init__(self, downloads):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in FLAGS:
            options.add_argument(flag)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")  # Chromium refuses to run as root with one
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.set_script_timeout(30)
        self.downloads = downloads

    def quit(self):
        self.driver.quit()

    def open(self, path, width=1240, height=900, scheme="light"):
        self.size(width, height)
        self.media(scheme)
        self.said(), self.asked()  # what an earlier page left behind
        self.driver.get(Path(path).as_uri())
        self.settle()

    def size(self, width, height, scale=1):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 500)

    def media(self, scheme, motion="no-preference", kind=""):
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
        self.cdp("Emulation.setEmulatedMedia", media=kind, features=[{"name": k, "value": v} for k, v in features.items()])

    def cdp(self, command, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def settle(self):
        """Until what was changed is drawn."""
        self.driver.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));")

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def press(self, *keys):
        """Keys for whatever has the focus."""
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()
        self.settle()

    def slide(self, selector, place):
        """A range input by its keys, from its first step."""
        element = self.find(selector)
        self.run("arguments[0].focus()", element)
        self.press(Keys.HOME, *[Keys.ARROW_RIGHT] * place)

    def click(self, selector):
        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()
        self.settle()

    def pointer(self, x, y, click=False):
        """The mouse to a place of the window, in pixels."""
        actions = ActionBuilder(self.driver, duration=0)
        actions.pointer_action.move_to_location(round(x), round(y))
        if click:
            actions.pointer_action.click()
        actions.perform()
        self.settle()

    def busy(self):
        """Processor seconds that the pages' thread has worked since the first call, whoever else has the machine."""
        self.cdp("Performance.enable", timeDomain="threadTicks")
        metrics = {it["name"]: it["value"] for it in self.cdp("Performance.getMetrics")["metrics"]}
        return metrics["TaskDuration"]

    def said(self):
        """Messages of the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def asked(self):
        """Addresses of requests since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]

    def screenshot(self, name):
        """Of the whole page, in the build folder's browser/."""
        folder = build_folder() / "browser"
        folder.mkdir(exist_ok=True)
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return innerWidth")
        self.size(width, height)
        self.settle()
        self.settle()
        image = self.cdp("Page.captureScreenshot", format="png")["data"]
        (folder / f"{name}.png").write_bytes(base64.b64decode(image))
        return folder / f"{name}.png"
