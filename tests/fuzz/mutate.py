"""Change a file's bytes by chance, the same for the same seed."""

import io
import zipfile
import zlib

WORDS = [
    b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\xff" * 8,
    b"}", b"]", b"(", b")", b"N", b".", b"0", b"2", b"R", b"b", b"u", b"s", b"h\0", b"\x94",
    b"\x8a\x08" + b"\xff" * 8, b"cbuiltins\nlist\n", b"K\xff", b"J\xff\xff\xff\x7f",
    b"[", b"{", b"[[[[", b'{"a":', b"1e999", b"NaN", b"-1", b"9" * 40,
    b"\x1b[31m", "\u202e".encode(), b"\n", b"\t",
    b"'<f8'", b"'|O'", b"'<U9999'", b"(4294967296,)", b"(0,)", b"PK\5\6", b"PK\1\2",
]  # fmt: skip
"""What pickles, JSON, NumPy's headers and archives read specially."""


def changed_bytes(data, others, rng):
    """Return bytes with one to six changes; parts of `others`, the corpus, may come in."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        if not data:
            return bytes(data)
        place = rng.randrange(len(data))
        kind = rng.randrange(9)
        if kind == 0:
            data[place] = rng.randrange(256)
        elif kind == 1:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 2:
            word = rng.choice(WORDS)
            data[place : place + len(word)] = word
        elif kind == 3:
            data[place:place] = rng.choice(WORDS)
        elif kind == 4:
            del data[place : place + rng.randint(1, 16)]
        elif kind == 5:
            del data[place:]
        elif kind == 6:
            end = place + rng.randint(1, 64)
            data[place:place] = data[place:end] * rng.choice((1, 1, 1, 30))
        elif kind == 7:
            other = rng.choice(others)
            begin = rng.randrange(len(other))
            data[place : place + 16] = other[begin : begin + rng.randint(1, 64)]
        else:
            data[place : place + 1] = str(rng.choice((0, 1, -1, 2**31, 2**63, 10**30))).encode()
    return bytes(data)


def changed(data, others, rng):
    """Change a file, or, as checksums would find that, what its compression or archive holds."""
    if data[:2] == b"PK" and rng.random() < 0.7:
        return _archive(data, others, rng)
    if data[:2] == b"\x78\x5e" and rng.random() < 0.7:
        return zlib.compress(changed_bytes(zlib.decompress(data), others, rng))
    return changed_bytes(data, others, rng)


def _archive(data, others, rng):
    """Change one member of an archive, mostly its begin, where its header is, or drop it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w") as new:
        members = old.infolist()
        chosen = rng.randrange(len(members))
        for number, info in enumerate(members):
            content = old.read(info)
            if number == chosen:
                if rng.random() < 0.05:
                    continue
                at = min(128, len(content)) if rng.random() < 0.7 else len(content)
                content = changed_bytes(content[:at], others, rng) + content[at:]
            new.writestr(info.filename, content, info.compress_type)
    return stream.getvalue()
