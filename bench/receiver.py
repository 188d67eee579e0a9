"""Stands in for n8n's webhook, at as little cost as possible: reads a request, says yes."""

import asyncio
import re
import sys

import uvloop

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_BODY = b'{"message":"Workflow was started"}'


class Receiver(asyncio.Protocol):
    """One connection, kept open unless the client wants it closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end]
            length = _LENGTH.search(head)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self.received) < total:
                return
            self.received = self.received[total:]
            closes = b"connection: close" in head.lower()
            extra = b"Connection: close\r\n" if closes else b""
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s"
                % (extra, len(_BODY), _BODY)
            )
            if closes:
                self.transport.close()


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Receiver, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


uvloop.run(main(int(sys.argv[1])))
