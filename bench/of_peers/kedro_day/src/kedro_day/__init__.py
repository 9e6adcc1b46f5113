"""One more day as a Kedro project."""
