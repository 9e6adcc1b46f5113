"""Compute once in a test process what a command computes once, although each test makes a new home or application.

A command parses the decision code, builds the command line, compiles page templates and compares time zones once. A
test process would do so for almost every test. Each function below depends only on its arguments, so its answer is
remembered. The tests of these functions call them directly, or replace them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jinja2
import pytest
import typer

from pipelines.operations import timezone_comparison
from sixtyforty import import_closure


@contextmanager
def compute_once() -> Iterator[None]:
    """Remember parsed modules, command lines, compiled templates and compared time zones within the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_closure, "parse_module", functools.cache(import_closure.parse_module))
        patch.setattr(timezone_comparison, "find_differences", _remember(timezone_comparison.find_differences, _zones))
        patch.setattr(typer.main, "get_command", _remember(typer.main.get_command, _commands))
        patch.setattr(jinja2.Environment, "compile", _remember(jinja2.Environment.compile, _template))
        yield


def _remember(function: Callable[..., Any], key_of: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that remembers its answers. key_of: returns the key of the arguments; None: don't remember."""
    answers: dict[Any, Any] = {}

    @functools.wraps(function)
    def remembering(*arguments: Any, **options: Any) -> Any:
        key = key_of(*arguments, **options)
        if key is None:
            return function(*arguments, **options)
        if key not in answers:
            answers[key] = function(*arguments, **options)
        return answers[key]

    return remembering


def _zones(_: Any, zones: Any, times: Any) -> Any:
    return frozenset(zones), tuple(times)


def _commands(app: typer.Typer) -> Any:
    return app, *(registered.callback for registered in app.registered_commands)


def _template(environment: jinja2.Environment, source: Any, name: str | None = None, *rest: Any, **options: Any) -> Any:
    """Return all that a compiled template depends on. A source that is parsed already has no key."""
    if not isinstance(source, str):
        return None
    escapes = environment.autoescape(name) if callable(environment.autoescape) else environment.autoescape
    names = (tuple(sorted(table)) for table in (environment.filters, environment.tests, environment.extensions))
    syntax = (environment.variable_start_string, environment.trim_blocks, environment.lstrip_blocks)
    rules = (environment.keep_trailing_newline, environment.undefined, escapes, type(environment))
    return source, name, rest, tuple(sorted(options.items())), *names, *syntax, *rules
