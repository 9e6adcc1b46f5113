"""The day's steps as Kedro nodes, which run one after the other in one process.

Each node returns True, so that Kedro knows the order of the nodes.
"""

from kedro.pipeline import Pipeline, node

from bench.peers.day_steps import build_features, decide, land


def _land(landing, out, day):
    land(landing, out, day)
    return True


def _build_features(landed, out, day):
    build_features(out, day)
    return True


def _decide(built, out, day, money):
    decide(out, day, money)
    return True


def register_pipelines():
    """Return the pipeline of a day as Kedro's default pipeline."""
    parameters = {name: f"params:{name}" for name in ("landing", "out", "day", "money")}
    landing, out, day, money = parameters.values()
    return {
        "__default__": Pipeline(
            [
                node(_land, [landing, out, day], "landed"),
                node(_build_features, ["landed", out, day], "built"),
                node(_decide, ["built", out, day, money], "decided"),
            ]
        )
    }
