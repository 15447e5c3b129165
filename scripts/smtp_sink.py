"""An SMTP server that keeps every mail as a file: what the shop would have sent, to look at.

Runs in the venv (it needs aiosmtpd). It accepts everything and delivers nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import email
import re
import signal
from datetime import datetime, timezone
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

# A mail of the shop is a few kilobytes; more than this is a mistake.
MAX_MAIL_BYTES = 1024 * 1024
# A Message-ID may hold anything; a file name may not, and ends at 255 bytes.
UNSAFE = re.compile(r"[^A-Za-z0-9._@-]+")
MAX_NAME_CHARACTERS = 150


class Mailbox:
    """Writes each accepted mail to `<time>-<message id>.eml`, whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        content = envelope.original_content or b""
        message_id = str(email.message_from_bytes(content).get("Message-ID", "no-message-id"))
        time = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
        name = UNSAFE.sub("", message_id)[:MAX_NAME_CHARACTERS] or "no-message-id"
        partial = self._folder / f".{time}-{name}.partial"
        partial.write_bytes(content)
        partial.rename(self._folder / f"{time}-{name}.eml")
        recipients = ", ".join(envelope.rcpt_tos)
        print(f"{time} kept a mail for {recipients}: {message_id}", flush=True)
        return "250 kept"


async def _until_stopped() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    controller = Controller(
        Mailbox(arguments.folder), hostname=arguments.host, port=arguments.port,
        data_size_limit=MAX_MAIL_BYTES, ident="tradewind mail sink",
    )
    controller.start()
    print(f"listening on {arguments.host}:{arguments.port}", flush=True)
    try:
        asyncio.run(_until_stopped())
    finally:
        controller.stop()


if __name__ == "__main__":
    main()
