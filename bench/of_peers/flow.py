"""One more day as a Metaflow flow: a process a step, as Metaflow does."""

from metaflow import FlowSpec, Parameter, step


class OneMoreDay(FlowSpec):
    """Land, features, decisions."""

    landing = Parameter("landing", required=True)
    out = Parameter("out", required=True)
    day = Parameter("day", required=True)
    money = Parameter("money", required=True)

    @step
    def start(self):
        """Lands."""
        from bench.of_peers.steps import land

        land(self.landing, self.out, self.day)
        self.next(self.features)

    @step
    def features(self):
        """Builds features."""
        from bench.of_peers.steps import features

        features(self.out, self.day)
        self.next(self.end)

    @step
    def end(self):
        """Decides."""
        from bench.of_peers.steps import decide

        decide(self.out, self.day, self.money)


if __name__ == "__main__":
    OneMoreDay()
