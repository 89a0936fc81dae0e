"""A job in numbered steps on real files. The checks make the end proven: code looked, not the model."""

import os
import tempfile
from pathlib import Path

from nebulus import Agent

MODEL = os.environ.get("NEBULUS_MODEL", "ollama:qwen3:8b")
RUNBOOK = """\
Tidy the inbox.

Constraints:
- never touch archive/2019

1. Use read_file with path = inbox/may.md
2. Use move_file with source = inbox/may.md, target = archive/may.md
   - check: exists archive/may.md

Checks:
- absent inbox/may.md
- contains archive/may.md: rent
"""

folder = Path(tempfile.mkdtemp(prefix="nebulus-example-"))
(folder / "inbox").mkdir()
(folder / "inbox" / "may.md").write_text("Pay the rent.\n")
print(Agent(model=MODEL, workspace=folder).run(RUNBOOK))
