"""Names of Tether's search attributes: what a run can be found by. Their values are pseudonyms and fixed words only."""

from __future__ import annotations

AGENT = "TetherAgent"
VERSION = "TetherVersion"
USER = "TetherUser"
TENANT = "TetherTenant"
STATE = "TetherState"
OUTCOME = "TetherOutcome"
SESSION = "TetherSession"
ROOT = "TetherRoot"
TASK_TYPE = "TetherTaskType"
APPROVERS = "TetherApprovers"

KEYWORDS = (AGENT, VERSION, USER, TENANT, STATE, OUTCOME, SESSION, ROOT, TASK_TYPE)
KEYWORD_LISTS = (APPROVERS,)
"""A development server has room for 10 keywords and 3 lists."""

MAX_VALUE_BYTES = 300
"""Of one value: the server terminates a run whose keyword is over 2,048 bytes as JSON, where a byte may take six."""
