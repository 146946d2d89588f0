"""Every error that facesearch raises on purpose.

FacesearchError                 exit status 1
├── UsageError                  exit status 2: a wrong option, path or name
│   ├── UnknownEncoderError
│   ├── UnknownIdentityError
│   ├── UnknownTagError
│   ├── UnknownTemplateError
│   ├── IdentityExistsError
│   └── GalleryNotFoundError
├── RejectedImageError          one image cannot be used; a batch goes on without it
│   ├── UnreadableImageError
│   ├── NoFaceError
│   ├── SeveralFacesError
│   ├── TinyFaceError
│   └── PoorFaceError
├── WeightsError                a model file is missing, damaged or not what its manifest says
├── EncoderMismatchError        templates of different models cannot meet
├── ClusterError                a cluster of machines is not there, or cannot do what is asked
├── ShardError                  a server of a shard of the gallery is away, or cannot answer for it
├── StoreError                  the identity store cannot be used
│   ├── NewerSchemaError
│   ├── StoreBusyError
│   ├── StoreUnreachableError   the server of a gallery is away, or went away
│   ├── DiskFullError
│   ├── OvertakenError
│   └── BackupError             a backup cannot be made, or an archive is none or is damaged
└── IndexStateError             the index cannot do what is asked, or does not agree with the store

Every message is one line: what went wrong, with which file or value, and what to do about it.
"""

from __future__ import annotations


class FacesearchError(Exception):
    """Base of all errors meant for the user; `exit_status` is what the command line returns for it."""

    exit_status = 1


class UsageError(FacesearchError):
    """The request itself is wrong."""

    exit_status = 2


class UnknownEncoderError(UsageError):
    """No encoder of that name, precision or backend."""


class UnknownIdentityError(UsageError):
    """No identity of that name in the gallery."""


class UnknownTagError(UsageError):
    """No identity in the gallery has that tag."""


class UnknownTemplateError(UsageError):
    """No template of that number, or from that photo, in the gallery."""


class IdentityExistsError(UsageError):
    """An identity of that name is already there."""


class GalleryNotFoundError(UsageError):
    """There is no gallery in that folder."""


class RejectedImageError(FacesearchError):
    """One image that cannot be used; `str(error)` is the reason shown to the user."""


class UnreadableImageError(RejectedImageError):
    """Not an image, damaged, or beyond the byte or pixel cap."""


class NoFaceError(RejectedImageError):
    """No face was found."""


class SeveralFacesError(RejectedImageError):
    """Several faces, none of them clearly the subject."""


class TinyFaceError(RejectedImageError):
    """The face has too few pixels to be recognised."""


class PoorFaceError(RejectedImageError):
    """A face that should not be enrolled, as what is blurred or turned is taken for many people."""


class WeightsError(FacesearchError):
    """A model file is missing, damaged or not what its manifest says."""


class EncoderMismatchError(FacesearchError):
    """Templates or crops of one model were given to another."""


class ClusterError(FacesearchError):
    """A cluster of machines is not there, or cannot do what is asked."""


class ShardError(FacesearchError):
    """A server of a shard of the gallery is away, or cannot answer for it; nothing is answered without it."""


class StoreError(FacesearchError):
    """The identity store cannot be used."""


class NewerSchemaError(StoreError):
    """The identity store was written by a newer version."""


class StoreUnreachableError(StoreError):
    """The server of a gallery cannot be reached, or went away."""


class StoreBusyError(StoreError):
    """Another process holds the gallery."""


class DiskFullError(StoreError):
    """There is no room on the disk for a change of the gallery; nothing is changed."""


class OvertakenError(StoreError):
    """Another process changed the gallery, and what was about to be stored no longer fits it; nothing is changed."""


class BackupError(StoreError):
    """A backup cannot be made, or an archive is none or is damaged."""


class IndexStateError(FacesearchError):
    """The index cannot do what is asked, or does not agree with the store."""
