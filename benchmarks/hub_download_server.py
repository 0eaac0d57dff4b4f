"""The server of hub_download.py: one file, whole or by ranges, each connection at most at a rate in MB/s (0: any)."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import threading
import time
from pathlib import Path

STEP = 1 << 20


def main() -> None:
    path, rate = Path(sys.argv[1]), int(sys.argv[2]) * 10**6
    descriptor, size = os.open(path, os.O_RDONLY), path.stat().st_size
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/file", flush=True)
    while True:
        client, _ = listening.accept()
        threading.Thread(target=serve, args=(client, descriptor, size, rate), daemon=True).start()


def serve(client: socket.socket, descriptor: int, size: int, rate: int) -> None:
    """Answer one request after the other, as long as the client likes."""
    with contextlib.suppress(OSError), client:
        while True:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (more := client.recv(65536)):
                    return
                head += more
            asked = re.search(rb"\r\nRange: bytes=(\d+)-(\d*)", head, re.IGNORECASE)
            start = int(asked[1]) if asked else 0
            end = int(asked[2]) + 1 if asked and asked[2] else size
            status = f"206 Partial Content\r\nContent-Range: bytes {start}-{end - 1}/{size}" if asked else "200 OK"
            answer = f"HTTP/1.1 {status}\r\nAccept-Ranges: bytes\r\nContent-Length: {end - start}\r\n\r\n"
            client.sendall(answer.encode())
            if head.startswith(b"HEAD"):
                continue
            step = STEP if not rate else STEP // 16
            began, first = time.monotonic(), start
            while start < end:
                start += os.sendfile(client.fileno(), descriptor, start, min(end - start, step))
                if rate:
                    time.sleep(max(0.0, began + (start - first) / rate - time.monotonic()))


if __name__ == "__main__":
    main()
