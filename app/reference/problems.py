"""`/problems/`: what each problem code means. A problem's `type` leads here, unless PROBLEM_TYPE_URL says otherwise."""

import re
from html import escape

from app.problem_help import ProblemHelp, problem_helps


def problems_page(template: str) -> str:
    """Return the page: the template with one entry per code, whose anchor is the code."""
    return template.replace("{entries}", "\n".join(map(_entry, problem_helps())))


def _entry(problem: ProblemHelp) -> str:
    statuses = ", ".join(map(str, problem.statuses))
    return (
        f'\t\t\t\t<div id="{problem.code}">'
        f'<dt><a href="#{problem.code}"><code>{problem.code}</code></a></dt>'
        f"<dd>{statuses} · {escape(problem.title)}</dd>"
        f"<dd>{_with_code(problem.meaning)}</dd>"
        f"<dd><strong>What to do:</strong> {_with_code(problem.action)}</dd></div>"
    )


def _with_code(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
