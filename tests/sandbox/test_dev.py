"""What `ai-avatar dev` keeps in its data folder for the sandbox."""

import socket
from pathlib import Path

from app.sandbox.dev import sandbox_port


def test_sandbox_gets_its_port_again_unless_another_program_has_it(tmp_path: Path) -> None:
    port = sandbox_port(tmp_path)
    assert sandbox_port(tmp_path) == port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        moved = sandbox_port(tmp_path)
        assert moved != port
    assert sandbox_port(tmp_path) == moved
