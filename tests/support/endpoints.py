"""The named endpoints of the app, to be held against a stored list, which `python -m tests.support.endpoints` writes anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STORED = Path(__file__).resolve().parent.parent / "ui" / "endpoints.json"


def described(blocks: Any) -> dict[str, Any]:
    """Name, parameters with type and default, and types of the answers of every endpoint."""
    found = {}
    for name, about in sorted(blocks.get_api_info()["named_endpoints"].items()):
        parameters = {item["parameter_name"]: {"type": item["python_type"]["type"], **(
            {"default": item["parameter_default"]} if item["parameter_has_default"] else {})} for item in about["parameters"]}
        found[name] = {"parameters": parameters, "returns": [item["python_type"]["type"] for item in about["returns"]]}
    return found


def main() -> None:
    """Stores the endpoints of the app with the bundled checkpoints."""
    from app import build_app
    from ui.service.studio import Studio

    STORED.write_text(json.dumps(described(build_app(Studio())), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
