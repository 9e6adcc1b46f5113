"""The work of a new day as a Metaflow flow. Metaflow starts a process for each step."""

from metaflow import FlowSpec, Parameter, step


class OneMoreDay(FlowSpec):
    """Metaflow flow that lands a day's extracts, builds its features and takes its decisions."""

    landing = Parameter("landing", required=True)
    out = Parameter("out", required=True)
    day = Parameter("day", required=True)
    money = Parameter("money", required=True)

    @step
    def start(self):
        """Land the day's extracts."""
        from bench.peers.day_steps import land

        land(self.landing, self.out, self.day)
        self.next(self.features)

    @step
    def features(self):
        """Build the day's features."""
        from bench.peers.day_steps import build_features

        build_features(self.out, self.day)
        self.next(self.end)

    @step
    def end(self):
        """Take the day's decisions."""
        from bench.peers.day_steps import decide

        decide(self.out, self.day, self.money)


if __name__ == "__main__":
    OneMoreDay()
