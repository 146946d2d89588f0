"""Opening a gallery, closing it, and opening it anew in a process that was forked."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from facesearch.encoders import Encoder, EncoderSpec
from facesearch.errors import StoreError, StoreUnreachableError, UsageError
from facesearch.faces import DEFAULT_MIN_FACE
from facesearch.gallery import arguments
from facesearch.gallery.consistency import LATEST
from facesearch.gallery.consistency import consistency as asked_consistency
from facesearch.gallery.parts import PROJECTION, SEARCHES, Opening, Parts
from facesearch.gallery.place import place_of
from facesearch.pipeline.fit_to_enrol import quality_profile

if TYPE_CHECKING:
    from facesearch.gallery.backup import RestoreReport
    from facesearch.gallery.copying import CopyReport
    from facesearch.gallery.enrolment import Progress

T = TypeVar("T")

_IDLE_SECONDS = 1.0
_of_parents: list[Parts] = []  # taking down what belongs to the parent of a fork would wait for its threads


class OpenGallery:
    """A gallery that is open, and how it came to be."""

    def __init__(self, opening: Opening) -> None:
        self._opened = Parts(opening)
        self._reopening = threading.Lock()
        self._closed = False
        self._used = time.monotonic()

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        encoder: str | Encoder | None = None,
        index: str | None = None,
        keep: str | None = None,
        create: bool = True,
        min_face: int = DEFAULT_MIN_FACE,
        quality: str | None = None,
        device: str = "cpu",
        threads: int = 0,
        search: str = PROJECTION,
        consistency: str = LATEST,
        stale_for: float | str | None = None,
        shards: Sequence[str] = (),
    ) -> Self:
        """Open the gallery in the folder `path`, or start one.

        Args:
            path: or `postgresql://user@host/database?gallery=NAME`, for a gallery on a server.
            encoder: `model[:precision][@backend]`, or an `Encoder`. A new gallery is fixed to its model; an existing
                one accepts another precision or backend of the same model only. Default: the gallery's own, else
                mobilefacenet.
            index: kind of index for a new gallery (`flat`, `sq8`, `pq<m>`); default flat.
            keep: what a new gallery keeps of templates beside the codes of its index (`fp32`, `fp16`, `int8`, `none`).
            create: whether a gallery that is not there yet is started.
            min_face: side in pixels of the smallest face to look for.
            quality: which faces are enrolled: "standard", those that are neither turned nor too poor, "strict", good
                ones, or "off", all. A new gallery keeps it. Default: the gallery's own, else standard.
            device: what runs the encoder ("cpu", "cuda", …), when it is first needed; never another one silently.
            threads: that answering a question may take; 0: all cores. Enrolment takes `workers`.
            search: where questions are answered: "projection", by index files of this machine, or "database", by the
                server of a gallery that was made ready for it (`build_index(search="database")`).
            consistency: of a gallery on a server: "latest", answers know of all that was committed before they were
                asked for, or as in "bounded:2s", they may be so old, and need not ask the server.
            stale_for: how old answers may be while the server is away, in seconds or as in "10m"; None: there are none
                then. This machine keeps the names of people for it, and answers say how old they are (`as_of`).
            shards: `host:port` of all servers of the gallery's shards (`facesearch index serve`), which then answer
                questions in place of index files of this machine.

        Raises `GalleryNotFoundError`, `EncoderMismatchError`, `UnknownEncoderError`, `StoreError`.
        """
        where = arguments.one_of(search, "search", SEARCHES)
        profile = None if quality is None else quality_profile(quality)
        if isinstance(shards, str):
            raise UsageError('shards are a list of addresses: ["host:port", …]')
        age, place, given = asked_consistency(consistency, stale_for), place_of(path), tuple(shards)
        return cls(Opening(place, encoder, index, keep, create, min_face, profile, device, threads, where, age, given))

    @property
    def parts(self) -> Parts:
        """What the gallery is made of, in this process; raises `UsageError` once it is closed."""
        if self._closed:
            raise UsageError("this gallery is closed: open it anew with Gallery.open")
        self._make_sure()
        if self._opened.process != os.getpid() or self._opened.store.outlived:
            with self._reopening:
                old = self._opened
                if old.process != os.getpid():
                    _of_parents.append(old)
                    self._opened = old.reopened()
                elif old.store.outlived:
                    self._opened = Parts(old.opening)
                    old.close()
        return self._opened

    def _make_sure(self) -> None:
        """After a while, ask whether the server is the one that it was; what is asked next says where it is away."""
        opened, now = self._opened, time.monotonic()
        idle, self._used = now - self._used, now
        asks = opened.store.on_server and not opened.opening.consistency.follows
        if asks and idle > _IDLE_SECONDS and opened.process == os.getpid():
            with suppress(StoreError):
                opened.store.ping()

    def _answered(self, question: Callable[[Parts], T]) -> T:
        """What a question about the gallery gives; it is asked once more where the gallery had to be opened anew."""
        parts = self.parts
        try:
            return question(parts)
        except StoreUnreachableError:
            if not parts.store.outlived:
                raise
        return question(self.parts)

    @property
    def encoder_spec(self) -> EncoderSpec:
        """The encoder in use."""
        return self.parts.encoder_spec

    @staticmethod
    def restore(
        path: str | os.PathLike[str],
        folder: str | os.PathLike[str],
        *,
        replace: bool = False,
        progress: Progress | None = None,
    ) -> RestoreReport:
        """Put the gallery that `backup` wrote into a folder that is empty or not there, or, with `replace`, in place of
        the gallery in it. It is there whole or not at all, and answers as the one that was backed up did. folder: or
        the URL of a gallery on a server that is not there yet.

        Raises `UsageError` for a folder with other things in it and where there is a gallery on the server,
        `StoreBusyError` for a gallery in use, `BackupError`.
        """
        from facesearch.gallery.backup import restore  # a question does not wait for it

        return restore(Path(path), place_of(folder), replace=replace, progress=progress)

    @staticmethod
    def copy(
        source: str | os.PathLike[str], target: str | os.PathLike[str], *, progress: Progress | None = None
    ) -> CopyReport:
        """Copy the gallery at one place to another one: each a folder, or the URL of a gallery on a server.

        The copy is of one moment, with everything that the gallery holds; others may go on using that. It is no gallery
        until it is whole and was compared with its source; an interrupted one is gone on with when the same is copied
        again. progress: called with (rows done, rows in all), each counted when it is written and when it is compared.

        Raises `UsageError` where there is anything but an unfinished copy of this gallery at the target, `StoreError`
        for a damaged row, which is named, `GalleryNotFoundError`.
        """
        from facesearch.gallery.copying import copy_gallery  # a question does not wait for it

        return copy_gallery(source, target, progress=progress)

    def close(self) -> None:
        """Let go of the database and of what was opened for searching; the gallery cannot be used any more."""
        self._closed = True
        if self._opened.process == os.getpid():
            self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
