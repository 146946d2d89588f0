"""Files that are no photos, or photos in formats that are not read, told by their first bytes."""

from __future__ import annotations

from facesearch.photos.tiff_directory import entries

_RAW = "a camera's RAW file: export it as JPEG"
_VIDEO = "a video, not a photo"
_DNG_VERSION, _SUBFILE, _SUB_DIRECTORIES = 50706, 254, 330

_STARTS = {
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"II+\0": "BigTIFF",
    b"MM\0+": "BigTIFF",
    b"II\xbc\x01": "JPEG XR",
    b"8BPS": "Photoshop",
    b"gimp xcf": "GIMP",
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",
    b"%PDF": "PDF",
    b"\0\0\x01\0": "ICO",
}
_RAW_STARTS = (b"II*\0\x10\0\0\0CR", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM")
_VIDEO_STARTS = (b"\x1aE\xdf\xa3", b"FLV\x01", b"\0\0\x01\xba", b"\0\0\x01\xb3", b"0&\xb2u\x8ef\xcf\x11", b"OggS")


def unread_reason(data: bytes) -> str:
    """What the file is and what to do about it; empty where that cannot be told."""
    name = next((name for start, name in _STARTS.items() if data.startswith(start)), None)
    if name is not None:
        return f"{name} is not read: save it as JPEG or PNG"
    if data.startswith(_RAW_STARTS) or data[4:12] == b"ftypcrx " or _is_raw_tiff(data):
        return _RAW
    if data.startswith(_VIDEO_STARTS) or data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        return _VIDEO
    if (data.startswith(b"RIFF") and data[8:12] == b"AVI ") or (data[:1] == data[188:189] == b"G"):  # MPEG-TS
        return _VIDEO
    text = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page, not an image"
    if text.startswith((b"<svg", b"<?xml")):
        return "a drawing or XML, not a photo"
    return ""


def _is_raw_tiff(data: bytes) -> bool:
    """Whether a TIFF file is what a camera has recorded: its first picture is then a small preview."""
    if not data.startswith((b"II*\0", b"MM\0*")):
        return False
    first = {entry.tag: entry.number for entry in entries(data)}
    is_preview = first.get(_SUBFILE) == 1 and _SUB_DIRECTORIES in first
    return _DNG_VERSION in first or is_preview
