"""Writes docs/configuration.md from the settings themselves: `python docs/generate_reference.py`."""

from __future__ import annotations

import json
from pathlib import Path

from parallel_runner.settings.catalogue import FILES, IN_FORCE, entries, plain

HEAD = """\
# Configuration

A home's `config/` holds seven files; `deploy` writes those that are not there and never changes one that is. What a
file does not say has its default. Precedence: a flag, then the environment, then `config/overrides.yaml`, then
`config/learned.yaml` (only keys marked *learnable*, within 0.5 to 2 times what is configured), then the home's
files.

In the environment a key is written in capitals, two underscores for each dot:
`PARALLEL_RUNNER__PARALLELIZATION__GLOBAL_SETTINGS__MAX_TOTAL_INSTANCES=8`.

Shares are written `0.2` or `20%`, durations `30`, `90s`, `5min`, `1h30m`, sizes `65536`, `64K`, `10M`, `2G`. Every
mistake of all files is told at once, with file, line, key and the nearest right name; the exit code is 105.

`parallel-runner config show` prints what is in force and where it comes from, `config explain KEY` what a key
means, `config schema` a JSON Schema. Keys marked *kept* are checked and kept; this version does not act on them
yet.
"""


def reference() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, tops in FILES.items():
        parts.append(f"\n## {name}\n\n| key | default | meaning |\n|---|---|---|\n")
        for key, entry in entries().items():
            if key.split(".")[0] not in tops:
                continue
            marks = [
                text for text, wanted in (("kept", key not in IN_FORCE), ("learnable", entry.learnable)) if wanted
            ]
            told = entry.description + (f" Unit: {entry.unit}." if entry.unit else "")
            told += f" *{', '.join(marks)}*" if marks else ""
            parts.append(f"| `{key}` | `{json.dumps(plain(entry.default))}` | {told} |\n")
    return "".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("configuration.md").write_text(reference(), encoding="utf-8")
