"""`python -m app.sandbox`: stand-ins for HeyGen, Tavus and n8n in one process, on one port.

HeyGen's API is at `/heygen/v3/…`, Tavus's at `/tavus/v2/…`, the files they link to are at `/media/…`, and n8n's
webhooks are at `/n8n/webhook/heygen-video` and `/n8n/webhook/tavus-video`. Secrets are read from the environment,
under the names that the service uses: N8N_API_KEY (the first of several), and optionally N8N_WEBHOOK_SECRET
(comma-separated) and N8N_WEBHOOK_TOKEN. SANDBOX_MEDIA_SECRET signs the links to videos: with the same one, and on the
same port, they still work after a restart.
"""

import argparse
import logging
import os
import signal
import sys
import threading

import uvicorn

from .heygen import create_heygen_app
from .media import Media
from .n8n import create_n8n_app
from .server import create_sandbox_app
from .tavus import create_tavus_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--service-url", required=True, help="address of the AI-avatar service")
    parser.add_argument(
        "--direct",
        action="store_true",
        help="direct mode: n8n fetches the key and calls HeyGen itself (HeyGen only)",
    )
    parser.add_argument("--video-seconds", type=float, default=4.5, help="time until a video is completed")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    options = parser.parse_args()
    n8n_api_key = os.environ.get("N8N_API_KEY", "").split(",")[0].strip()
    if not n8n_api_key:
        sys.exit("N8N_API_KEY is required: n8n sends it to the service.")

    own_url = f"http://{options.host}:{options.port}"
    media = Media(f"{own_url}/media", secret=os.environ.get("SANDBOX_MEDIA_SECRET"))
    seconds = options.video_seconds
    times = {"waiting_seconds": seconds / 3, "rendering_seconds": seconds * 2 / 3}
    providers = {
        "heygen": create_heygen_app(media, **times),
        "tavus": create_tavus_app(media, **times),
    }
    n8n = create_n8n_app(
        options.service_url,
        n8n_api_key,
        [secret for secret in os.environ.get("N8N_WEBHOOK_SECRET", "").split(",") if secret],
        os.environ.get("N8N_WEBHOOK_TOKEN") or None,
        heygen_url=f"{own_url}/heygen" if options.direct else None,
        providers=providers,
    )
    logging.basicConfig(level=logging.INFO, format="sandbox: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    app = create_sandbox_app(media, n8n, providers)
    if options.until_eof:
        threading.Thread(target=_end_at_eof, daemon=True).start()
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning", access_log=False)


def _end_at_eof() -> None:
    """Shut down when the process that holds the other end of standard input is gone, even after SIGKILL."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
