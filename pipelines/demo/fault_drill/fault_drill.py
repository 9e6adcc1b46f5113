"""Plant every kind of fault, one after the other, and return a report of each.

For each fault, the drill copies a live home and plants the fault. Time passes until the first sign. The watch then
looks twice, and the fault is mended. At last, the copy catches up: every due decision must be there, and none may have
changed.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from textwrap import shorten

from pipelines.demo.fault_drill import feed_faults, insider_faults, service_faults, store_faults
from pipelines.demo.fault_drill.base_home import build_base_home, copy_scene
from pipelines.demo.fault_drill.fault import Fault, FaultReport
from pipelines.demo.fault_drill.fault_page import make_row
from pipelines.demo.fault_drill.scene import Decision, Scene, read_decisions
from sixtyforty.accounting.row_accounts import describe_differences
from sixtyforty.reports.alerts import AlertReceipt
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.wording import format_plural

FAULTS: Sequence[Fault] = (
    *feed_faults.FAULTS,
    *store_faults.FAULTS,
    *service_faults.FAULTS,
    *insider_faults.FAULTS,
)
LOOKS = (1, 2)
PROCESSES = 2
SHOWN = 240  # characters of an error in the table
SENTENCE_END = re.compile(r"(?<=\.) (?=[A-Za-z`])")
DECIDERS = {"model": "the model", "current_process": "the current process"}
ShowProgress = Callable[[str], None]


def select_faults(only: str) -> list[Fault]:
    """Return the faults whose names hold one of some texts, which commas separate. An empty text selects all faults."""
    texts = [text.strip().lower() for text in only.split(",")]
    return [fault for fault in FAULTS if any(text in fault.name.lower() for text in texts)]


def run_fault_drill(
    folder: Path | None, show_progress: ShowProgress, faults: Sequence[Fault] = FAULTS
) -> list[FaultReport]:
    """Plant some faults, in two processes, and return a report of each, in their order.

    folder: an empty folder for the homes, which is kept. None: a temporary folder.
    """
    with tempfile.TemporaryDirectory(prefix="sixtyforty-faults-") as temporary:
        root = folder or Path(temporary)
        show_progress("faults: building a live home with five weeks of history")
        base = build_base_home(root)
        due = live_without_fault(base, root / "control", max(fault.hours for fault in faults) + 1)
        with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as executor:
            futures = [executor.submit(_plant_by_name, base, root, fault.name, due) for fault in faults]
            for number, future in enumerate(as_completed(futures), 1):
                show_progress(f"faults: {number} of {len(futures)}: {' | '.join(make_row(future.result(), ''))}")
            return [future.result() for future in futures]


def _plant_by_name(base: Scene, root: Path, name: str, due: Mapping[str, Decision]) -> FaultReport:
    """Plant a fault in this process, which has a folder of its own. Functions of faults can't be sent to a process."""
    fault = next(fault for fault in FAULTS if fault.name == name)
    try:
        return plant_and_watch(base, root / f"process{os.getpid()}", fault, due)
    except Exception as error:  # the drill of one fault must not end the others; its line says that it failed
        effect = f"the drill of this fault failed: {type(error).__name__}: {shorten(str(error), SHOWN)}"
        return FaultReport(fault.name, effect, "unknown", "", 0, 0.0)


def live_without_fault(base: Scene, folder: Path, hours: int) -> Mapping[str, Decision]:
    """Return the decisions that a home without a fault takes."""
    scene = copy_scene(base, folder)
    scene.advance(hours)
    return read_decisions(scene)


def plant_and_watch(base: Scene, folder: Path, fault: Fault, due: Mapping[str, Decision]) -> FaultReport:
    """Plant a fault in a copy of a home, let the watch look twice, mend the fault, and count what was lost.

    - folder: for the copy. It is the same for all faults of a process, which then loads the definitions once.
    - due: the decisions that a home without a fault takes, until later than this fault needs.
    """
    scene = copy_scene(base, folder)
    before = read_decisions(scene)
    fault.plant(scene)
    if fault.hours:
        scene.advance(fault.hours)
    effect = _describe_effect(scene, before, bool(fault.hours))
    if fault.is_found_at_night:
        scene.verify_at_night()
        effect = f"{effect}. {_shorten(scene, scene.problem) or 'The nightly verification found nothing'}"
    sign = time.monotonic()
    recipient, kind, look, seconds = "", "", 0, 0.0
    for number in LOOKS:
        receipts = [receipt for receipt in scene.look() if _names(receipt, fault)]
        if receipts:
            recipient, kind = receipts[0].to.partition(":")[0], receipts[0].kind
            look, seconds = number, time.monotonic() - sign
            break
        scene.address_problem = None
    (fault.mend or Scene.mend)(scene)
    if fault.hours:
        scene.advance(1)
    lost = _describe_losses(scene, before, due)
    return FaultReport(fault.name, effect, _without_folder(scene, lost), recipient, look, seconds, kind)


def _names(receipt: AlertReceipt, fault: Fault) -> bool:
    text = f"{receipt.kind}: {receipt.text}".lower()
    return any(word.lower() in text for word in fault.words)


def _without_folder(scene: Scene, text: str) -> str:
    return text.replace(f"{scene.home.folder}/", "")


def _shorten(scene: Scene, text: str) -> str:
    return first_sentences(_without_folder(scene, text))


def first_sentences(text: str) -> str:
    """Return the first sentences of a text that fit into a cell of the table, without the last full stop.

    A first sentence that is too long loses its last words.
    """
    sentences = [sentence.rstrip(".") for sentence in SENTENCE_END.split(" ".join(text.split()))]
    shown = sentences[0]
    for sentence in sentences[1:]:
        if len(shown) + len(sentence) > SHOWN:
            break
        shown = f"{shown}. {sentence}"
    return shorten(shown, SHOWN, placeholder=" …")


def _describe_effect(scene: Scene, before: Mapping[str, Decision], has_run: bool) -> str:
    problem = f". The run failed: {_shorten(scene, scene.problem.splitlines()[0])}" if scene.problem else ""
    if not has_run:
        return "no run was due before the alert" + problem
    try:
        new = [decision for decision_id, decision in read_decisions(scene).items() if decision_id not in before]
    except SixtyfortyError as error:
        return f"decisions can't be read ({_shorten(scene, str(error))}){problem}"
    deciders = Counter(decision.decided_by for decision in new)
    by = ", ".join(f"{count:,} by {DECIDERS.get(who, who)}" for who, count in deciders.most_common())
    return f"{format_plural(len(new), 'decision')} taken{f' ({by})' if by else ''}{problem}"


def _describe_losses(scene: Scene, before: Mapping[str, Decision], due: Mapping[str, Decision]) -> str:
    """Return what was lost for good: due decisions that are missing, changed decisions, and rows without a verdict."""
    try:
        decisions = read_decisions(scene)
        rows = describe_differences(scene.ws)
    except SixtyfortyError as error:
        return f"the home can't be read after the fault was mended: {error}"
    missing = sum(1 for i, decision in due.items() if decision.decided_at <= scene.now and i not in decisions)
    changed = sum(1 for i, decision in before.items() if i in decisions and decisions[i] != decision)
    losses = [f"{format_plural(missing, 'due decision')} missing" if missing else ""]
    losses += [f"{format_plural(changed, 'decision')} changed" if changed else "", rows]
    losses += [f"the chain does not run: {scene.problem}" if scene.problem else ""]
    return "; ".join(filter(None, losses))
