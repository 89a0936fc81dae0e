"""All forty goals."""

from bench.real_parts.code_goals import CODE, IMPOSSIBLE, NO_TOOL
from bench.real_parts.files_goals import FILES
from bench.real_parts.goal import ProseGoal
from bench.real_parts.table_goals import TABLES
from bench.real_parts.text_goals import TEXT

GOALS: tuple[ProseGoal, ...] = (*FILES, *TEXT, *TABLES, *CODE, *IMPOSSIBLE, *NO_TOOL)
BY_ID = {goal.id: goal for goal in GOALS}
