"""Checks a running engine's stream: every seq once, in order, the same bytes again after a resume, over deliberate disconnects.

    ENGINE_TOKEN=… python check_stream.py ws://127.0.0.1:9300/v1/signals --messages 500

Reads from `--first` on, drops the connection every `--drop-every` messages and starts anew from the state file, then reads all of it
a second time in one go and compares. Exit code 0 when everything agrees.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from twovote_signals import PUBLISHED, SignalStream


def read(url: str, token: str, state: str | None, first: int, last: int, drop_every: int | None) -> dict[int, str]:
    """The texts of first..last by seq; missing ranges are reported by the engine and left out."""
    texts: dict[int, str] = {}
    runs = 0
    while not texts or max(texts) < last:
        runs += 1
        # A new stream knows only what the state file says, as after a restart of the consumer.
        stream = SignalStream(url, token, state=state, start_at=first)
        for message in stream:
            if message["type"] == "gap":
                print(f"the engine no longer has {message['from']} to {message['to']}", file=sys.stderr)
            if message["type"] not in PUBLISHED:
                continue
            seq = message["seq"]
            if seq in texts:
                raise SystemExit(f"seq {seq} came twice")
            texts[seq] = stream.text
            if seq >= last or (drop_every and len(texts) % drop_every == 0):
                stream.commit(message)
                break
        stream.connection.close()
    print(f"{len(texts)} messages in {runs} runs", file=sys.stderr)
    return texts


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks a running engine's signal stream.")
    parser.add_argument("url")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--drop-every", type=int, default=70)
    arguments = parser.parse_args()
    token = os.environ.get("ENGINE_TOKEN", "")
    last = arguments.first + arguments.messages - 1
    with tempfile.TemporaryDirectory() as folder:
        state = os.path.join(folder, "signals.state")
        pieces = read(arguments.url, token, state, arguments.first, last, arguments.drop_every)
    whole = read(arguments.url, token, None, arguments.first, last, None)
    if sorted(pieces) != sorted(whole):
        print(f"other seqs: {sorted(set(pieces) ^ set(whole))[:10]}", file=sys.stderr)
        return 1
    different = [seq for seq in whole if pieces[seq] != whole[seq]]
    if different:
        print(f"other bytes: seqs {different[:10]}", file=sys.stderr)
        return 1
    print("agrees")
    return 0


if __name__ == "__main__":
    sys.exit(main())
