"""Compiles the modules that have a `.pxd` beside them, where there is a C compiler; without one they run as plain Python."""

from __future__ import annotations

import os
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from sysconfig import get_config_var
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("src")
PACKAGE = SOURCES / "moec"
DIRECTIVES = {"language_level": 3, "annotation_typing": False}
"""The types of compiled code stand in the `.pxd` files; annotations in the `.py` files are Python's."""


class Compile(BuildHookInterface):  # type: ignore[type-arg]
    """`MOEC_COMPILE=0` leaves everything as Python; `MOEC_COMPILE=1` makes a failure to compile an error."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del version
        wish, about = os.environ.get("MOEC_COMPILE", ""), _about()
        if wish == "0":
            _clean(about)
            return
        try:
            if not _compiled(about):
                _clean(about)
                _compile(about)
        except Exception as error:
            _clean(about)
            if wish == "1":
                raise
            self.app.display_warning(
                f"moec runs as plain Python, several times slower where messages are simulated: {error}"
            )
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def _compiled(about: Any) -> bool:
    """Whether that was done before, for this interpreter and from these sources."""
    record, suffix = PACKAGE / about.RECORD, get_config_var("EXT_SUFFIX")
    if not record.exists() or record.read_text().strip() != about.digest(PACKAGE):
        return False
    return all(header.with_suffix(suffix).exists() for header in about.headers(PACKAGE))


def _clean(about: Any) -> None:
    """Takes away what was compiled before, for whatever interpreter."""
    for old in [*PACKAGE.rglob("*.so"), *PACKAGE.rglob("*.pyd"), *PACKAGE.glob(about.RECORD)]:
        old.unlink()


def _compile(about: Any) -> None:
    """Puts each compiled module beside its source, and the digest of what they were compiled from into their package."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    names = [header.relative_to(SOURCES).with_suffix("") for header in about.headers(PACKAGE)]
    options = [] if os.name == "nt" else ["-O2", "-g0"]
    modules = [
        Extension(".".join(name.parts), [str(SOURCES / name) + ".py"], extra_compile_args=options) for name in names
    ]
    made = cythonize(
        modules, build_dir="build", compiler_directives=DIRECTIVES, include_path=[str(SOURCES)], quiet=True
    )
    distribution = Distribution({"name": "moec", "ext_modules": made, "package_dir": {"": str(SOURCES)}})
    command = distribution.get_command_obj("build_ext")
    command.inplace, command.parallel, command.build_temp = True, os.cpu_count(), "build/objects"
    command.ensure_finalized()
    command.run()
    (PACKAGE / about.RECORD).write_text(about.digest(PACKAGE) + "\n")


def _about() -> Any:
    """The module that knows what is compiled, without importing the rest of moec."""
    spec = spec_from_file_location("compiled", PACKAGE / "compiled.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
