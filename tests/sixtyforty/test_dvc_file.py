"""The stages of dvc.yaml depend on exactly the code that the recipe imports."""

from __future__ import annotations

from pathlib import Path

import yaml

from sixtyforty.dvc_file import (
    DVC_FILE,
    recipe_dependencies,
    replace_dependencies,
    write_dependencies,
)


def test_the_stages_depend_on_the_recipes_import_closure() -> None:
    """If this fails, run `python -m sixtyforty.dvc_file`."""
    stages = yaml.safe_load(DVC_FILE.read_text())["stages"]
    assert set(stages) == {"train", "evaluate"}
    for stage in stages.values():
        assert [path for path in stage["do"]["deps"] if path.endswith(".py")] == recipe_dependencies()


def test_the_closure_holds_the_recipe_and_what_it_fits_and_values_with() -> None:
    dependencies = recipe_dependencies()
    for module in ("modeling/dvc_recipe", "modeling/estimators", "spec/kpi", "value/policy"):
        assert f"sixtyforty/{module}.py" in dependencies
    assert all((DVC_FILE.parent / path).is_file() for path in dependencies)


def test_only_the_code_dependencies_are_replaced() -> None:
    text = """# a comment
stages:
  train:
    do:
      deps:
        - data/x.parquet
        - sixtyforty/old.py
        - expectations/older.py
      outs: [data/y]
"""
    assert replace_dependencies(text, ["sixtyforty/a.py", "sixtyforty/b.py", "sixtyforty/c.py"]) == text.replace(
        "        - sixtyforty/old.py\n        - expectations/older.py\n",
        "        - sixtyforty/a.py\n        - sixtyforty/b.py\n        - sixtyforty/c.py\n",
    )


def test_writing_the_dependencies_is_repeatable(tmp_path: Path) -> None:
    file = tmp_path / "dvc.yaml"
    file.write_text(DVC_FILE.read_text())
    write_dependencies(file)
    assert file.read_text() == DVC_FILE.read_text()


def test_the_file_of_the_project_names_no_use_case() -> None:
    declared = [path.parent.name for path in (DVC_FILE.parent / "pipelines" / "use_cases").glob("*/defs.yaml")]
    assert declared and not [name for name in declared if name in DVC_FILE.read_text()]
