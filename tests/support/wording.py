"""Words that the texts of this service do not use."""

import re

JARGON = re.compile(
    r"Input should|Extra inputs|permitted|valid (string|dict|list|integer|UUID)|dictionary|instance of|parsable"
    r"|\b(dict|list|tuple|None|NoneType|int|str|bool|float|Literal|pydantic|validator)\b|[Vv]alue error|should|\\x|\^"
)
"""What pydantic says, and the names of Python's types."""
