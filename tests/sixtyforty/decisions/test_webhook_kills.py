"""Decisions reach the webhook once in effect, although the operating system kills the processes that send them."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from datetime import datetime

import pytest

from sixtyforty.decisions.webhook import count_decisions
from sixtyforty.workspace import Workspace
from tests.webhook_receiver import WEBHOOK, Moment, deliver, running_receiver, send_from_process

NOW = datetime(2100, 1, 1)  # later than the real time at which the outbox gets decisions
KILLS = 2  # of each kind of moment
MOMENTS: tuple[Moment, ...] = ("received", "stored", "answered")
PROCESSES = multiprocessing.get_context("forkserver")  # a fresh process starts within milliseconds
PROCESSES.set_forkserver_preload(["tests.webhook_receiver", "requests", "sqlalchemy.dialects.sqlite"])


@pytest.mark.parametrize("seed", range(2))
def test_each_decision_has_one_effect_across_kills(ready: Workspace, seed: int) -> None:
    ws = Workspace(ready.use_case.model_copy(update={"webhook": WEBHOOK}), ready.home, ready.database_url)
    ids, drawn = deliver(ws, 20), random.Random(seed)  # five requests
    kills = [moment for moment in MOMENTS for _ in range(KILLS)]
    drawn.shuffle(kills)
    sender, killed = PROCESSES.Process(), Counter[str]()

    def kill_at(moment: Moment) -> None:
        if kills and kills[-1] == moment and sender.pid is not None:
            time.sleep(drawn.choice([0, 0, 0.002]))
            kills.pop()
            killed[moment] += 1
            os.kill(sender.pid, signal.SIGKILL)
            raise ConnectionAbortedError

    with running_receiver(200, kill_at) as (url, bodies):
        for _ in range(len(kills) + 1):
            sender = PROCESSES.Process(target=send_from_process, args=(ws, url, NOW))
            sender.start()
            sender.join(60)
            if sender.exitcode == 0:
                break
            assert sender.exitcode == -signal.SIGKILL
    received = Counter(decision["id"] for body in bodies for decision in json.loads(body)["decisions"])
    effects = {decision_id.split(":")[0] for decision_id in received}
    assert sorted(received) == [f"{decision_id}:0" for decision_id in ids], "an id is the same each time it is sent"
    assert (effects, count_decisions(ws).sent, count_decisions(ws).waiting) == (set(ids), len(ids), 0)
    assert received.total() > len(ids), "some decisions were sent again"
    assert killed == dict.fromkeys(MOMENTS, KILLS)
