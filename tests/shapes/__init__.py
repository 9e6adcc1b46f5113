"""Small use cases that cover every shape of declaration, each run through the whole pipeline."""
