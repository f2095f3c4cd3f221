"""Image files byte by byte, for what Pillow reads and does not write."""

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

GREY, COLOUR, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 4, 6  # colour types of PNG


def png(pixels: NDArray[Any], kind: int, bits: int, transparent: bytes = b"") -> bytes:
    """pixels [H, W] or [H, W, C], of fewer than `bits` bits; `transparent` is the chunk tRNS."""
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    if bits == 16:
        lines = [row.astype(">u2").tobytes() for row in rows]
    else:
        spread = np.unpackbits(rows.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :]
        lines = [np.packbits(row).tobytes() for row in spread.reshape(height, -1)]
    chunks = {b"IHDR": struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0), b"tRNS": transparent}
    chunks |= {b"IDAT": zlib.compress(b"".join(b"\0" + line for line in lines)), b"IEND": b""}
    found = {name: content for name, content in chunks.items() if content or name == b"IEND"}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in found.items()
    )


def tiff(pixels: NDArray[Any], bits: int, order: str = "<", **tags: int) -> bytes:
    """pixels [H, W] or [H, W, C], as they lie in memory; 12 bits are packed. tags: by the names below."""
    height, width, *channels = pixels.shape
    count = channels[0] if channels else 1
    content = _packed(pixels) if bits == 12 else pixels.tobytes()
    many = struct.pack(f"{order}{count}H", *[bits] * count)
    held = {256: width, 257: height, 259: 1, 262: tags.get("photometric", 1), 277: count, 278: height}
    held |= {279: len(content), 339: tags.get("sample_format", 1)}
    if "extra_samples" in tags:
        held[338] = tags["extra_samples"]
    start = 8 + 2 + 12 * (len(held) + 2) + 4
    entries = {tag: struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0) for tag, value in held.items()}
    inside = many.ljust(4, b"\0") if len(many) <= 4 else struct.pack(f"{order}I", start)
    entries[258] = struct.pack(f"{order}HHI", 258, 3, count) + inside
    entries[273] = struct.pack(f"{order}HHII", 273, 4, 1, start + len(many))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    return head + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4) + many + content


def _packed(pixels: NDArray[Any]) -> bytes:
    """12 bits each, the rows from a whole byte on."""
    bits = np.unpackbits(pixels.astype(">u2").view(np.uint8).reshape(*pixels.shape, 2), axis=-1)[..., 4:]
    return b"".join(np.packbits(row).tobytes() for row in bits.reshape(len(pixels), -1))
