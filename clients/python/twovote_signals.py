"""A consumer of the engine's signal stream, in one file. Needs Python 3.10 and `websockets`.

    for message in SignalStream("ws://127.0.0.1:9300/v1/signals", token, state="signals.state"):
        ...

Every published message comes once and in order, over reconnects and restarts of either side:

* the first seq not yet seen is kept in the state file, written after the loop body has finished with a message. A crash inside the
  loop body brings that message again; nothing is left out;
* a message seen before is dropped, one out of order is never given out: the client connects again from where it was;
* `gap` with `refill: false` (older than the engine keeps) and `rewound` (the engine lost power: forget what came from `first_seq`
  on) are given out, because only the consumer can say what they mean for it. `snapshot` is given out too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import connect

#: Longest message accepted, in bytes; the engine's are below 2 kB, but for a snapshot of many instruments.
MESSAGE_BYTES_MAX = 4 << 20
#: Nothing for this long, not even `progress` (every 5 s), means that the connection is dead.
SILENCE_S = 20.0
#: Wait before the first and the longest wait before a later attempt to connect.
BACKOFF_S = (0.2, 10.0)

PUBLISHED = {"signal", "withheld", "flatten", "state", "model_swapped"}
#: Errors after which connecting again with the same words cannot help.
FINAL_ERRORS = {"ahead", "malformed", "unknown_instrument", "forbidden", "token_revoked", "token_expired", "already_subscribed"}


class SignalError(Exception):
    """The engine refused for good; `code` is its word."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class State:
    """The place in the stream, on disk. Written to a neighbour and moved over, so it is whole at any moment."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.epoch: int | None = None
        self.next_seq: int | None = None
        if path and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                saved = json.load(file)
            self.epoch, self.next_seq = saved["epoch"], saved["next_seq"]

    def save(self) -> None:
        if self.path is None:
            return
        beside = f"{self.path}.{os.getpid()}.tmp"
        with open(beside, "w", encoding="utf-8") as file:
            json.dump({"epoch": self.epoch, "next_seq": self.next_seq}, file)
        os.replace(beside, self.path)


class SignalStream:
    """Iterate over it. `connection` lets the loop body send (position reports)."""

    def __init__(
        self,
        url: str,
        token: str,
        instruments: list[str] | str = "*",
        state: str | None = None,
        start_at: int | None = None,
        partial: bool = False,
    ) -> None:
        """`start_at`: first seq wanted while the state file does not exist. `partial`: the token covers only some instruments, so
        that holes in the seqs are to be expected even without a filter."""
        self.url, self.token, self.instruments = url, token, instruments
        self.state = State(state)
        if self.state.next_seq is None:
            self.state.next_seq = start_at
        self.complete = instruments == "*" and not partial
        self.welcome: dict = {}
        #: The last message given out, as it came.
        self.text = ""
        self.connection = None
        self.reconnects = 0
        self.duplicates = 0

    def __iter__(self) -> Iterator[dict]:
        wait = BACKOFF_S[0]
        while True:
            try:
                for message in self._one_connection():
                    wait = BACKOFF_S[0]
                    yield message
                    self.commit(message)
            except InvalidStatus as refusal:
                status = refusal.response.status_code
                if status in (400, 401, 403, 404):
                    detail = (refusal.response.body or b"").decode("utf-8", "replace")
                    raise SignalError(f"http_{status}", detail) from refusal
            except (ConnectionClosed, OSError, TimeoutError, WebSocketException) as lost:
                print(f"connection lost: {lost!r}", file=sys.stderr)
            self.reconnects += 1
            time.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(wait * 2, BACKOFF_S[1])

    def report_position(self, instrument: str, position: int, as_of: str) -> None:
        """Reports what is held (`feedback` mode, scope positions:write). A refusal arrives as an `error` message."""
        report = {"op": "position", "instrument": instrument, "position": position, "as_of": as_of}
        self.connection.send(json.dumps(report))

    def _one_connection(self) -> Iterator[dict]:
        headers = {"Authorization": f"Bearer {self.token}"}
        with connect(
            self.url, additional_headers=headers, max_size=MESSAGE_BYTES_MAX, compression=None, proxy=None, close_timeout=1
        ) as connection:
            self.connection = connection
            subscribe: dict = {"op": "subscribe", "instruments": self.instruments}
            if self.state.next_seq is not None:
                subscribe["resume_from"] = self.state.next_seq
                if self.state.epoch is not None:
                    subscribe["epoch"] = self.state.epoch
            connection.send(json.dumps(subscribe))
            while True:
                self.text = connection.recv(timeout=SILENCE_S)
                message = json.loads(self.text)
                message_type = message["type"]
                if message_type in PUBLISHED:
                    if self._is_next(message["seq"]):
                        yield message
                elif message_type == "welcome":
                    self.welcome = message
                    if self.state.epoch is None:
                        self.state.epoch = message["epoch"]
                elif message_type == "progress":
                    # All that matches the subscription up to here has come; with a filter, most of it concerned others.
                    self._advance(message["through"] + 1)
                elif message_type == "gap":
                    # refill: the range follows, nothing is missing.
                    if not message["refill"]:
                        yield message
                elif message_type == "error" and message["code"] in FINAL_ERRORS:
                    raise SignalError(message["code"], message["detail"])
                elif message_type in ("snapshot", "rewound", "error", "fault"):
                    yield message
                # Other types are of a later engine: not for this client.

    def _is_next(self, seq: int) -> bool:
        expected = self.state.next_seq
        if expected is None or seq == expected:
            return True
        if seq < expected:
            self.duplicates += 1
            return False
        if self.complete:
            raise OSError(f"seq {seq} came where {expected} was expected")
        return True

    def commit(self, message: dict) -> None:
        """Keeps the place after `message`. Done for every message when the loop asks for the next; a loop that ends with `break` calls
        it for its last one."""
        message_type = message["type"]
        if message_type in PUBLISHED:
            self._advance(message["seq"] + 1)
        elif message_type == "snapshot":
            self._advance(message["through"] + 1)
        elif message_type == "gap":
            self._advance(message["to"] + 1)
        elif message_type == "rewound":
            self.state.epoch = message["epoch"]
            if self.state.next_seq is not None:
                self.state.next_seq = min(self.state.next_seq, message["first_seq"])
            self.state.save()

    def _advance(self, next_seq: int) -> None:
        if self.state.next_seq is None or next_seq > self.state.next_seq:
            self.state.next_seq = next_seq
            self.state.save()


def main() -> int:
    """Prints what comes, one JSON object per line."""
    parser = argparse.ArgumentParser(description="Prints an engine's signal stream, one JSON object per line.")
    parser.add_argument("url", help="such as ws://127.0.0.1:9300/v1/signals")
    parser.add_argument("--instruments", help="names separated by commas; all without it")
    parser.add_argument("--state", help="file that keeps the place in the stream")
    parser.add_argument("--start-at", type=int, help="first seq wanted when the state file does not exist yet")
    parser.add_argument("--count", type=int, help="end after this many published messages")
    arguments = parser.parse_args()
    token = os.environ.get("ENGINE_TOKEN", "")
    if not token:
        print("set ENGINE_TOKEN to a token with the scope signals:read", file=sys.stderr)
        return 2
    instruments = arguments.instruments.split(",") if arguments.instruments else "*"
    stream = SignalStream(arguments.url, token, instruments, arguments.state, arguments.start_at)
    left = arguments.count
    try:
        for message in stream:
            print(stream.text, flush=True)
            if left is not None and message["type"] in PUBLISHED:
                left -= 1
                if left == 0:
                    stream.commit(message)
                    break
    except SignalError as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        return 77
    except KeyboardInterrupt:
        pass
    print(f"reconnects {stream.reconnects}, duplicates {stream.duplicates}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
