"""Make the pictures of the documents from what the commands show today (`make pictures`).

The page, the report and optuna-dashboard show the searches of docs/case-study.md. A terminal and
the page of a running search show the demo, two to three minutes on two quiet cores. Needs chromium
and chromedriver; the picture of optuna-dashboard is made only where that is installed.

    python benchmarks/pictures.py                     # all of them
    python benchmarks/pictures.py --only service.png  # without the demo
"""

import argparse
import fcntl
import io
import json
import os
import pty
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from _chart import COLOURS, Line, Panel, drawn
from PIL import Image
from rich.console import Console
from rich.text import Text
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
OF_THE_DEMO = ("demo.svg", "service-dark.png")
OF_THE_CASE = ("service.png", "service-form.png", "report.png", "optuna-dashboard.png")
NAMES = (*OF_THE_DEMO, *OF_THE_CASE, "solvers.svg")
DEMO, DEMO_STUDY = ["nas-search", "--base", "senet18", "--demo"], "nas-senet18-demo"
CASE, NAS_STUDY, HPO_STUDY = ROOT / "examples" / "case" / "results.db", "case-nas", "case-hpo"
COLUMNS, ROWS = 100, 34
_ESCAPE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--runs", type=Path, help="where the demo's study is, or is to be kept [thrown away]")
    given = parser.parse_args()
    if "solvers.svg" in given.only:
        keep("solvers.svg", solvers_chart(ROOT / "benchmarks" / "results" / "solvers.json").encode())
    if wanted := {*given.only} & {*OF_THE_DEMO}:
        with tempfile.TemporaryDirectory() as made:
            of_the_demo(given.runs or Path(made), wanted)
    if wanted := {*given.only} & {*OF_THE_CASE}:
        with tempfile.TemporaryDirectory() as made:
            of_the_case(Path(made), wanted)


def of_the_demo(runs: Path, wanted: set[str]) -> None:
    """Run the demo in `runs`; picture its terminal, and its page while it runs."""
    command = [*DEMO, "--runs", str(runs)]
    with served(runs) as address:
        halfway = (
            (lambda: dark(address))
            if "service-dark.png" in wanted and not finished(address)
            else lambda: None
        )
        shown = in_terminal(command, lambda: trials(address) >= 9, halfway)
    if "demo.svg" in wanted:
        shown = shown.replace(f" --runs {runs}", "").replace(f" --db {runs}/results.db", "")
        keep("demo.svg", terminal_svg(" ".join(DEMO), shown.replace(str(runs), "runs")).encode())


def of_the_case(runs: Path, wanted: set[str]) -> None:
    """Picture the searches of the case, from a copy of its database in `runs`."""
    shutil.copy(CASE, runs / "results.db")
    ours("nas-results", "migrate", "--db", str(runs / "results.db"))
    with served(runs) as address:
        if "service.png" in wanted:
            study = f"{address}/#/study/{HPO_STUDY}"
            keep("service.png", page(study, 1250, 1080, "[data-plot] .main-svg", open_plot))
        if "service-form.png" in wanted:
            keep("service-form.png", page(f"{address}/#/new", 1250, 1000, "[aria-label=Plan] pre", fill_form))
    if "report.png" in wanted:
        file = runs / "report.html"
        ours("nas-results", "report", NAS_STUDY, "--db", str(runs / "results.db"), "--out", str(file))
        keep("report.png", page(file.as_uri(), 1000, 1120, ".main-svg"))
    if "optuna-dashboard.png" in wanted and shutil.which(program("optuna-dashboard")):
        optuna(runs)


def in_terminal(command: list[str], is_halfway: Callable[[], bool], at_halfway: Callable[[], None]) -> str:
    """Run a command in a terminal of its own, and return its screen at the end, colours as escapes.

    `at_halfway` is called once, when `is_halfway` first holds.
    """
    ours_end, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    process = subprocess.Popen(
        [program(command[0]), *command[1:]],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        cwd=ROOT,
    )
    os.close(theirs)
    written, asked, is_done = b"", time.monotonic(), False
    with suppress(OSError):  # the end of a terminal on Linux
        while piece := os.read(ours_end, 1 << 16):
            written += piece
            if not is_done and time.monotonic() > asked + 1:
                asked = time.monotonic()
                if is_halfway():
                    is_done = True
                    at_halfway()
    os.close(ours_end)
    if process.wait():
        sys.exit(f"{' '.join(command)} exited {process.returncode}:\n{written.decode()}")
    return screen(written.decode())


def screen(written: str) -> str:
    """What a terminal shows of what was written to it: lines taken back and written anew, as rich does it."""
    lines, row = [""], 0
    for part in re.split(r"(\x1b\[[?0-9;]*[A-Za-z]|\r|\n)", written):
        escape = _ESCAPE.fullmatch(part)
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif escape and escape[2] == "A":
            row = max(0, row - int(escape[1] or 1))
        elif escape and escape[2] == "K":
            lines[row] = ""
        elif not escape or escape[2] == "m":
            lines[row] += part.replace("\r", "")
    return "\n".join(lines).strip("\n")


def terminal_svg(command: str, shown: str) -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(f"[bold]$ {command}[/bold]")
    console.print(Text.from_ansi(shown))
    return console.export_svg(title=command, unique_id="demo")


@contextmanager
def served(runs: Path) -> Iterator[str]:
    """The address of a service on the record in `runs`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program("nas-serve"), "--runs", str(runs), "--port", str(port)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: httpx.get(f"{address}/api/studies", trust_env=False).is_success)
        yield address
    finally:
        process.terminate()
        process.wait()


def trials(address: str) -> int:
    answer = httpx.get(f"{address}/api/studies/{DEMO_STUDY}/trials", trust_env=False, timeout=30)
    rows = answer.json() if answer.is_success else []
    return len(rows["trials"] if isinstance(rows, dict) else rows)


def finished(address: str) -> bool:
    answer = httpx.get(f"{address}/api/studies/{DEMO_STUDY}", trust_env=False, timeout=30)
    return answer.is_success and answer.json()["state"] == "finished"


def dark(address: str) -> None:
    """The page of the study while it runs, in the dark: on a desktop and on a phone, side by side."""
    taken = [
        page(f"{address}/#/study/{DEMO_STUDY}", wide, 844, "tr[data-trial]", theme="dark")
        for wide in (1250, 390)
    ]
    pictures = [Image.open(io.BytesIO(one)) for one in taken]
    both = Image.new("RGB", (sum(p.width for p in pictures) + 20, max(p.height for p in pictures)), "white")
    left = 0
    for picture in pictures:
        both.paste(picture, (left, 0))
        left += picture.width + 20
    out = io.BytesIO()
    both.save(out, "PNG")
    keep("service-dark.png", out.getvalue())


def open_plot(driver: webdriver.Chrome) -> None:
    until(lambda: bool(driver.find_elements(By.CSS_SELECTOR, "[data-plot] summary")))
    driver.find_element(By.CSS_SELECTOR, "[data-plot] summary").click()


def fill_form(driver: webdriver.Chrome) -> None:
    until(lambda: bool(driver.find_elements(By.ID, "field-base")))
    for name, text in {"base": "senet18", "data": "digits", "budget": "60s", "trials": "40"}.items():
        driver.find_element(By.ID, f"field-{name}").send_keys(text)
    driver.find_element(By.XPATH, "//button[normalize-space()='Show the plan']").click()


def page(
    address: str,
    wide: int,
    high: int,
    awaited: str,
    act: Callable[[webdriver.Chrome], None] | None = None,
    theme: str = "light",
) -> bytes:
    """A picture of a page, once what the selector `awaited` names can be seen, after `act`."""
    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), "")
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    if theme == "dark":
        options.add_argument("--blink-settings=preferredColorScheme=0")
    options.add_argument(f"--window-size={wide},{high}")
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": wide, "height": high, "deviceScaleFactor": 1, "mobile": False},
        )
        driver.get(address)
        if act:
            act(driver)
        until(lambda: any(e.is_displayed() for e in driver.find_elements(By.CSS_SELECTOR, awaited)))
        time.sleep(2)  # plots are drawn in steps
        driver.execute_script("scrollTo(0, 0)")
        return driver.get_screenshot_as_png()
    finally:
        driver.quit()


def optuna(runs: Path) -> None:
    """The study in optuna-dashboard, as `nas-results export --optuna` writes it."""
    mirror = runs / "optuna.db"
    ours("nas-results", "export", NAS_STUDY, "--db", str(runs / "results.db"), "--optuna", str(mirror))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program("optuna-dashboard"), f"sqlite:///{mirror}", "--port", str(port)], stdout=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}/dashboard"
    try:
        until(lambda: httpx.get(address, trust_env=False).is_success)
        keep("optuna-dashboard.png", page(f"{address}/studies/1", 1200, 960, ".main-svg"))
    finally:
        process.terminate()
        process.wait()


def solvers_chart(numbers: Path) -> str:
    """The medians on record after 25, 50 and 100 trainings: without noise, one candidate at a time."""
    groups = [g for g in json.loads(numbers.read_text()) if not g["noise"] and g["block"] == 1]
    return drawn(
        [Panel(f"{g['problem']}: median of best / optimum", lines_of(g), range_of(g)) for g in groups]
    )


def lines_of(group: dict[str, list[dict[str, dict[str, dict[str, float]]]]]) -> list[Line]:
    medians = {
        str(s["solver"]): {int(at): q["median"] for at, q in s["best"].items()} for s in group["solvers"]
    }
    return [
        Line(name, sorted(points.items()), is_staircase=False)
        for name, points in medians.items()
        if name in COLOURS
    ]


def range_of(group: dict[str, list[dict[str, dict[str, dict[str, float]]]]]) -> tuple[float, float]:
    highest = max(y for line in lines_of(group) for _, y in line.points)
    return 1.0, 1.0 + round((highest - 1.0) * 10 + 0.5) / 10


def until(holds: Callable[[], bool], seconds: float = 90) -> None:
    begun = time.monotonic()
    while True:
        with suppress(httpx.HTTPError):
            if holds():
                return
        if time.monotonic() > begun + seconds:
            sys.exit(f"waited {seconds:g} s in vain; run it again on a quieter machine")
        time.sleep(0.5)


def program(name: str) -> str:
    """The command of this environment, or else of the machine."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else name


def ours(name: str, *arguments: str) -> None:
    subprocess.run([program(name), *arguments], check=True, cwd=ROOT)


def keep(name: str, content: bytes) -> None:
    """Write a picture; a PNG with a palette, which is a third as large and looks the same."""
    if name.endswith(".png"):
        picture = Image.open(io.BytesIO(content)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
        out = io.BytesIO()
        picture.save(out, "PNG", optimize=True)
        content = out.getvalue()
    (IMAGES / name).write_bytes(content)
    print(f"{name}: {len(content) / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
