"""Hatchling's hook: whoever installs or builds the project gets shared/pb made from proto/."""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProtoBuildHook(BuildHookInterface[Any]):
    """Runs proto/generate.py before anything is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 (the hook's signature)
        generate = runpy.run_path(str(Path(self.root) / "proto" / "generate.py"))["generate"]
        generate()
