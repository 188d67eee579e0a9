"""Writes the pages that say what the code says: `make docs-generate`. A test fails if one of them is out of date."""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin
from uuid import UUID

import annotated_types
import typer
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings
from typer.core import TyperGroup, TyperOption

from app.cli import cli
from app.command_settings import MigrationSettings, RotationSettings, TokenSettings
from app.config import ProviderSettings, Settings
from app.problem_help import ProblemHelp, problem_helps
from app.providers import PROVIDERS
from website.gallery import gallery

DOCS: Final = Path(__file__).parent.parent / "docs"

_MARK: Final = "<!-- Made by `make docs-generate`: change the code instead. -->"
_REQUIRED: Final = {
    "database_url": "required",
    "n8n_api_key": "required",
    "secrets_keys": "required on plain PostgreSQL",
    "supabase_url": "required, or one of the two above",
}
_COMMANDS: Final[dict[str, type[BaseSettings]]] = {
    "migrate": MigrationSettings,
    "token": TokenSettings,
    "secrets rotate": RotationSettings,
}
# By topic, in the order of reading.
_TOPICS: Final = {
    "Database": ("database_url", "migrate_database_url", "database_pool_size", "database_pooler"),
    "Who may call": (
        "supabase_jwt_secret",
        "supabase_jwks_url",
        "supabase_url",
        "service_api_key",
        "n8n_api_key",
        "membership_cache_seconds",
        "cors_origins",
        "frame_ancestors",
    ),
    "Provider keys": ("secrets_keys", "key_check_hours", "secret_reads_retention_days"),
    "Providers and n8n": (
        "providers",
        "n8n_webhook_secret",
        "n8n_webhook_token",
        "webhook_timeout_seconds",
        "generation_timeout_minutes",
    ),
    "Limits": (
        "concurrent_requests",
        "concurrent_requests_per_business",
        "event_streams_per_user",
        "event_streams_per_business",
    ),
    "Answers and logs": ("problem_type_url", "fast_path", "log_level", "log_format"),
}


def main() -> None:
    """Write the pages."""
    for path, text in generated_pages().items():
        path.write_text(text, encoding="utf-8")


def generated_pages() -> dict[Path, str]:
    """Return the text of each page, by its path."""
    pages = {
        "configuration.md": _configuration(),
        "cli.md": _command_line(),
        "problems.md": _problems(),
        "screenshots.md": gallery(DOCS / "screenshots"),
    }
    return {DOCS / name: "\n".join(lines).rstrip() + "\n" for name, lines in pages.items()}


# Configuration --------------------------------------------------------------------------------------------------------


def _configuration() -> Iterator[str]:
    yield "# Configuration"
    yield f"""
{_MARK}

Every setting is an environment variable, or a line of `.env` in the folder where the service starts. The environment
takes precedence. `.env.example` lists them all: copy it to `.env`.

- If a required variable is missing or one is malformed, nothing starts: a line names each, and says what it should look
  like. An empty variable counts as missing.
- The value of a secret is never printed or logged. A secret of a few repeated characters stops the start.
- The log warns of a webhook or JWKS address over plain http, and of an unknown variable that closely resembles one of
  these.
- `ai-avatar serve` and `ai-avatar dev` read all of them; *read by* names the other commands. `dev` needs none: it sets
  what it needs itself.
"""
    yield """## Required environment variables

`DATABASE_URL`, `N8N_API_KEY`, one of `SUPABASE_URL`, `SUPABASE_JWKS_URL` and `SUPABASE_JWT_SECRET`, and on plain
PostgreSQL `SECRETS_KEYS`. Videos also need the provider's webhook, such as `N8N_HEYGEN_WEBHOOK_URL`.
"""
    assert {name for names in _TOPICS.values() for name in names} == set(Settings.model_fields)
    for topic, names in _TOPICS.items():
        yield f"## {topic}\n"
        yield "| variable | default | value | meaning | read by |\n| --- | --- | --- | --- | --- |"
        for name in names:
            yield from _provider_rows() if name == "providers" else [_setting_row(name)]
        yield ""
    yield "## The example file\n"
    yield f"```ini\n{(DOCS.parent / '.env.example').read_text().strip()}\n```"


def _setting_row(name: str) -> str:
    field = Settings.model_fields[name]
    return _row(
        f"`{name.upper()}`",
        _REQUIRED.get(name) or _default(field.default),
        _value(name, field),
        _meanings(Settings).get(name, ""),
        ", ".join(f"`{command}`" for command, kind in _COMMANDS.items() if name in kind.model_fields),
    )


def _provider_rows() -> Iterator[str]:
    for name, spec in PROVIDERS.items():
        api_url, webhook_url = (
            _meanings(ProviderSettings)[field].replace("the provider's", f"{spec.title}'s")
            for field in ("api_url", "webhook_url")
        )
        yield _row(f"`{name.upper()}_API_URL`", f"`{spec.default_api_url}`", "address", api_url, "")
        yield _row(f"`N8N_{name.upper()}_WEBHOOK_URL`", "none", "address", webhook_url, "")


@cache
def _meanings(kind: type[BaseModel]) -> dict[str, str]:
    """Return the docstring below each field of a class."""
    [definition] = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text)
        for field, expression in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(expression, ast.Expr)
        and isinstance(expression.value, ast.Constant)
        and isinstance(text := expression.value.value, str)
    }


def _default(value: Any) -> str:
    if value in (None, []) or value is PydanticUndefined:
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _value(name: str, field: FieldInfo) -> str:
    """Say what the variable holds: its type, unit and limits."""
    kinds = {*_kinds(field.annotation)}
    if SecretStr in kinds:
        return "**secret**: connection string" if name.endswith("url") else "**secret**"
    if choices := [kind for kind in _kinds(field.annotation) if isinstance(kind, str)]:
        return ", ".join(f"`{choice}`" for choice in choices)
    if kinds & {bool, int, float}:
        return _number(name, field)
    if list in kinds:
        return "origins, comma-separated"
    return "path or address" if name == "problem_type_url" else "address"


def _kinds(annotation: Any) -> Iterator[Any]:
    """Yield the types that a setting may have, and the texts of a Literal."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif origin is list:
        yield list
    elif origin is None:
        yield annotation
    else:
        for part in get_args(annotation):
            yield from _kinds(part)


def _number(name: str, field: FieldInfo) -> str:
    if field.annotation is bool:
        return "`true` or `false`"
    unit = name.rpartition("_")[2]
    low, high = "", ""
    for limit in field.metadata:
        match limit:
            case annotated_types.Ge(ge=ge):
                low = f"{ge:,}"
            case annotated_types.Gt(gt=gt):
                low = f"more than {gt:,}"
            case annotated_types.Le(le=le):
                high = f"{le:,}"
    return f"{low} to {high}{f' {unit}' if unit in ('seconds', 'minutes', 'hours', 'days') else ''}"


# Command line ---------------------------------------------------------------------------------------------------------


def _command_line() -> Iterator[str]:
    root = typer.main.get_command(cli)
    assert isinstance(root, TyperGroup)
    yield "# Command line"
    yield f"""
{_MARK}

`ai-avatar` is installed with the package (`pip install .`; [with checked hashes](deploy-supabase.md)) and in the image;
`ai-avatar dev` needs `pip install '.[dev]'`, or `make run`. Each command prints its options with `--help`, and reads
[settings](configuration.md) from the environment and `.env`. Exit codes: 0 success, 1 a failure that the printed
sentence explains, 2 a wrong option or setting.
"""
    yield from _option_table(root)
    yield from _commands(root, "ai-avatar")


def _commands(group: TyperGroup, prefix: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{prefix} {name}")
        else:
            yield f"## `{prefix} {name}`\n\n{_sentences(command.help)}\n"
            yield from _option_table(command)


def _option_table(command: Any) -> Iterator[str]:
    options = [option for option in command.params if isinstance(option, TyperOption)]
    if options:
        yield "| option | default | meaning |\n| --- | --- | --- |"
        yield from map(_option_row, options)
        yield ""


def _option_row(option: TyperOption) -> str:
    names = " ".join((*option.opts, *option.secondary_opts))
    default: Any = option.default
    if option.is_flag:
        value, shown = "", f"`{option.opts[0]}`" if default else ""
    else:
        value, shown = f" {_placeholder(option)}", "" if default is None else f"`{default}`"
    limits = "" if option.min is None else f" ({option.min:,} to {option.max:,})"
    return _row(f"`{names}{value}`", shown, f"{option.help or ''}{limits}")


def _placeholder(option: TyperOption) -> str:
    annotation = option.type_descriptor.annotation
    [kind] = [kind for kind in get_args(annotation) or (annotation,) if kind is not type(None)]
    return {int: "NUMBER", str: "TEXT", Path: "PATH", UUID: "UUID"}[kind]


def _sentences(text: str | None) -> str:
    return " ".join((text or "").split())


# Problems -------------------------------------------------------------------------------------------------------------


def _problems() -> Iterator[str]:
    yield "# Problem codes"
    yield f"""
{_MARK}

Every error is a problem detail (RFC 9457) with a `code`, which never changes its meaning. Its `type` leads to one of
these entries, as the service itself serves them at `/problems/`. [Errors](api.md#errors) shows a whole one;
[Troubleshooting](troubleshooting.md) has the commands that find a cause.
"""
    yield "| status | codes |\n| --- | --- |"
    helps = problem_helps()
    for status in sorted({status for problem in helps for status in problem.statuses}):
        codes = [problem.code for problem in helps if status in problem.statuses]
        yield _row(str(status), ", ".join(f"[`{code}`](#{code})" for code in codes))
    yield ""
    yield from map(_problem, helps)


def _problem(problem: ProblemHelp) -> str:
    statuses = " or ".join(map(str, problem.statuses))
    return (
        f"## `{problem.code}`\n\n**{statuses} · {problem.title}.** {problem.meaning}\n\n"
        f"**What to do:** {problem.action}\n"
    )


def _row(*cells: str) -> str:
    return "| " + " | ".join(_sentences(cell).replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    main()
