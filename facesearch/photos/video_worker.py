"""One process that decodes one clip: `facesearch.photos.video_worker PER_SECOND MOST < clip`.

For each frame that is sampled it writes a line of JSON (`time` in seconds, `height`, `width`) and the pixels, RGB. Why
it cannot go on is the last line of standard error, behind "reason: ". Only containers that hold a film themselves are
read: playlists, which lead to other files and addresses, are not.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from typing import Any

import numpy as np

from facesearch.photos.video import MAX_FRAME_PIXELS

_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,ogg,asf"
_MEMORY = 3 * 2**30  # bytes
_THREADS = 4  # each holds pictures
_BROKEN = 200  # packets in a row that cannot be decoded


def main() -> None:
    per_second, most = float(sys.argv[1]), int(sys.argv[2])
    _limit_memory()
    import av

    av.logging.set_level(av.logging.PANIC)
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "none", "enable_drefs": "0"}
    try:
        with av.open(sys.stdin.buffer, container_options=options) as container:
            if not container.streams.video:
                raise ValueError("it holds no pictures, only sound")
            stream = container.streams.video[0]
            context = stream.codec_context
            if context is None:
                raise ValueError("its kind of video is not known")
            context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
            if context.width * context.height > MAX_FRAME_PIXELS:
                size = f"{context.width}×{context.height}"
                raise ValueError(f"more than {MAX_FRAME_PIXELS / 1e6:g} megapixels ({size})")
            stream.thread_type, context.thread_count = "AUTO", _THREADS
            _sample(container, stream, per_second, most)
    except BrokenPipeError:  # nobody wants more
        with contextlib.suppress(OSError):
            sys.stderr.close()
    except ValueError as error:
        _end(str(error) if str(error).startswith(("it ", "its ", "more ")) else "damaged, or not a video")
    except MemoryError:
        _end("not enough memory for this video")
    except Exception:  # what decoders raise
        _end("damaged, or not a video")


def _sample(container: Any, stream: Any, per_second: float, most: int) -> None:
    """Write the frames that are due."""
    start: float | None = None
    due, written, number = 0.0, 0, 0
    step = 1 / float(stream.average_rate or 25)
    for frame in _decoded(container, stream):
        at = number * step if frame.time is None else float(frame.time)
        number += 1
        start = at if start is None else start
        at = max(0.0, at - start)
        if at + 1e-6 < due and due - at < 3600:
            continue
        due = (math.floor(at * per_second + 1e-6) + 1) / per_second
        pixels = np.rot90(frame.to_ndarray(format="rgb24"), round((frame.rotation or 0) / 90) % 4)
        header = {"time": round(at, 3), "height": pixels.shape[0], "width": pixels.shape[1]}
        sys.stdout.buffer.write(json.dumps(header).encode() + b"\n")
        sys.stdout.buffer.write(np.ascontiguousarray(pixels).data)
        sys.stdout.buffer.flush()
        written += 1
        if written == most:
            return


def _decoded(container: Any, stream: Any) -> Any:
    """The frames that can be decoded; single broken packets are passed over."""
    from av.error import FFmpegError

    broken = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, FFmpegError):  # the end, or a file that breaks off
            return
        try:
            some = packet.decode()
        except FFmpegError:
            broken += 1
            if broken == _BROKEN:
                return
            continue
        broken = 0 if some else broken
        yield from some


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _end(reason: str) -> None:
    sys.stderr.write(f"\nreason: {reason}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
