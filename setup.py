"""Build the wheel as one package: `assets`, `desk`, `expectations` and `pipelines` become parts of `sixtyforty`.

A Dagster project of a company often has a package `assets` of its own. So the wheel installs `sixtyforty` only, with
`sixtyforty.assets` and the others in it, and with each import of them under the longer name. A clone and its editable
installation keep the short names.
"""

import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
MOVED = ("assets", "desk", "expectations", "pipelines")
IMPORT = re.compile(rf"^(\s*(?:from|import) )({'|'.join(MOVED)})(?=[. ])", re.MULTILINE)
QUOTED = re.compile(rf"(?<=[\"'])({'|'.join(MOVED)})\.\w+(?:\.\w+)*")
YAML_MODULE = re.compile(rf"^(\s*(?:type|module|module_name): )(?=({'|'.join(MOVED)})\.)", re.MULTILINE)
INSTANCE_FILES = ("dagster.yaml", "workspace.yaml")


def move_names(source: str) -> str:
    """Return the source of a module with the names that its imports and its strings have in the wheel."""
    return QUOTED.sub(_move_module, IMPORT.sub(r"\1sixtyforty.\2", source))


def _move_module(name: re.Match[str]) -> str:
    """Return a quoted dotted name as it is in the wheel, if it is a module and not, for example, `desk.html`."""
    base = ROOT.joinpath(*name[0].split(".")[:2])
    is_module = base.with_suffix(".py").is_file() or base.is_dir()
    return f"sixtyforty.{name[0]}" if is_module else name[0]


class MovedModules(build_py):
    """Copy the packages into the wheel under their longer names."""

    def get_package_dir(self, package: str) -> str:
        """Return the folder of a package in the clone."""
        return super().get_package_dir(_clone_name(package))

    def run(self) -> None:
        """Copy modules and data. An editable installation stays as it is."""
        if not self.editable_mode:
            self.packages = [_wheel_name(name) for name in self.packages]
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "sixtyforty"
        for name in INSTANCE_FILES:
            shutil.copyfile(ROOT / name, target / name)
        for file in target.rglob("*.py"):
            file.write_text(move_names(file.read_text()))
        for file in (*target.glob("*.yaml"), *target.rglob("defs.yaml")):
            file.write_text(YAML_MODULE.sub(r"\1sixtyforty.", file.read_text()))


def _wheel_name(package: str) -> str:
    return f"sixtyforty.{package}" if package.partition(".")[0] in MOVED else package


def _clone_name(package: str) -> str:
    name = package.removeprefix("sixtyforty.")
    return name if name.partition(".")[0] in MOVED else package


class MovedWheel(bdist_wheel):
    """Name the moved modules in the wheel's entry points, too."""

    def run(self) -> None:
        """Build the wheel."""
        self.distribution.entry_points = {
            group: [entry.replace("= ", "= sixtyforty.") for entry in entries]
            for group, entries in self.distribution.entry_points.items()
        }
        super().run()


if __name__ == "__main__":
    setup(cmdclass={"build_py": MovedModules, "bdist_wheel": MovedWheel})
