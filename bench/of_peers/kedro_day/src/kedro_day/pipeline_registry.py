"""The day's steps as nodes, one after the other in one process."""

from kedro.pipeline import Pipeline, node

from bench.of_peers.steps import decide, features, land


def _landed(landing, out, day):
    land(landing, out, day)
    return True


def _built(landed, out, day):
    features(out, day)
    return True


def _decided(built, out, day, money):
    decide(out, day, money)
    return True


def register_pipelines():
    """One pipeline, the default."""
    given = {name: f"params:{name}" for name in ("landing", "out", "day", "money")}
    return {
        "__default__": Pipeline(
            [
                node(_landed, [given["landing"], given["out"], given["day"]], "landed"),
                node(_built, ["landed", given["out"], given["day"]], "built"),
                node(_decided, ["built", given["out"], given["day"], given["money"]], "decided"),
            ]
        )
    }
