#!/usr/bin/env python3
"""Writes the attack files of this folder and expected.tsv, one line a file:

file, tensor that the error must name, begin and end of its byte range ("-": none, or not fixed).
The file's name up to the first dot is the error kind that must result. Run it again after a change;
it removes what it no longer writes.
"""

import pathlib
import struct

HERE = pathlib.Path(__file__).parent
LENGTH = 8  # bytes of the length field
rows = []


def put(name, content, tensor="-", begin="-", end="-"):
    file = name + ".safetensors"
    (HERE / file).write_bytes(content)
    rows.append((file, tensor, str(begin), str(end)))


def pack(header, payload=b""):
    return struct.pack("<Q", len(header)) + header + payload


def text(name, header, tensor="-", spot=None, payload=b"", end=True):
    """An error in the header's text; `spot` is the text that its byte range must cover."""
    if isinstance(header, str):
        header = header.encode()
    if spot is None:
        put(name, pack(header, payload), tensor)
        return
    spot = spot.encode() if isinstance(spot, str) else spot
    assert header.count(spot) >= 1, (name, spot)
    begin = LENGTH + header.rindex(spot)
    put(name, pack(header, payload), tensor, begin, begin + len(spot) if end else "-")


def entry(name, dtype, shape, begin, end):
    numbers = ",".join(map(str, shape))
    return f'"{name}":{{"dtype":"{dtype}","shape":[{numbers}],"data_offsets":[{begin},{end}]}}'


def layout(name, entries, payload_bytes, tensor, begin=None, end=None, spot=None):
    """Payloads in wrong places: the range is counted from the payload's first byte, or a text."""
    header = ("{" + ",".join(entries) + "}").encode()
    if spot is not None:
        text(name, header, tensor, spot, bytes(payload_bytes))
        return
    data = LENGTH + len(header)
    put(name, pack(header, bytes(payload_bytes)), tensor, data + begin, data + end)


for old in HERE.glob("*.safetensors"):
    old.unlink()

GOOD = entry("a", "U8", [2], 0, 2)

# The length field.
put("file-too-short.empty", b"", begin=0, end=0)
put("file-too-short.seven-bytes", b"\x02\0\0\0\0\0\0", begin=0, end=7)
put("header-too-long.one-over", struct.pack("<Q", 100_000_001), begin=0, end=8)
put("header-too-long.all-ones", b"\xff" * 8 + b"{}", begin=0, end=8)
put("header-past-end.at-the-limit", struct.pack("<Q", 100_000_000), begin=8, end=100_000_008)
put("header-past-end.one-over", struct.pack("<Q", 3) + b"{}", begin=8, end=11)

# The text.
for label, wrong in {
    "stray-continuation": b"\x80",
    "overlong": b"\xc0\xaf",
    "overlong-of-three": b"\xe0\x80\xaf",
    "surrogate": b"\xed\xa0\x80",
    "past-the-last-code-point": b"\xf4\x90\x80\x80",
    "five-byte-lead": b"\xf8\x88\x80\x80\x80",
    "cut-short": b"\xe2\x82",
    "latin-1": b"\xfcber",
}.items():
    header = b'{"__metadata__":{"k":"' + wrong + b'"}}'
    begin = LENGTH + header.index(wrong)
    put(f"header-not-utf8.{label}", pack(header), begin=begin, end=begin + 1)
text("header-not-utf8.outside-a-string", b"{\xff}", spot=b"\xff")

text("header-not-json.empty", "", spot="")
text("header-not-json.array", "[]", spot="[")
text("header-not-json.number", "1", spot="1")
text("header-not-json.null", "null", spot="n")
text("header-not-json.space-before", " {}", spot=" ")
text("header-not-json.byte-order-mark", b"\xef\xbb\xbf{}", spot=b"\xef")
text("header-not-json.unclosed", '{"a":', "a")
text("header-not-json.unquoted-key", "{a:1}")
text("header-not-json.single-quotes", "{'a':1}")
text("header-not-json.trailing-comma", "{" + GOOD + ",}", payload=bytes(2))
text("header-not-json.comment", "{/**/}")
text("header-not-json.nan", '{"a":{"shape":[NaN]}}', "a")
text("header-not-json.leading-zero", '{"a":{"shape":[01]}}', "a")
text("header-not-json.lone-surrogate-escape", '{"\\ud800":1}')
text("header-not-json.raw-line-end-in-a-string", '{"\n":1}')
text("header-not-json.nul-after", "{}\0", spot="\0")
text("header-not-json.nul-inside", '{"a\0":1}', spot="\0")
text("header-not-json.tab-after", "{} \t ", spot="\t ")
text("header-not-json.line-end-after", "{}\n", spot="\n")
text("header-not-json.second-object", "{}{}", spot="{}")
text("header-not-json.zeros-after", b"{}" + bytes(6), spot=bytes(6), end=False)

# Keys that stand twice.
text("duplicate-key.tensor", "{" + GOOD + "," + GOOD + "}", "a", GOOD, bytes(2))
other = entry("a", "U8", [1], 2, 3)
text("duplicate-key.tensor-with-other-payload", "{" + GOOD + "," + other + "}", "a", other, bytes(3))
escaped = entry("\\u0061", "U8", [1], 2, 3)
text("duplicate-key.tensor-escaped", "{" + GOOD + "," + escaped + "}", "a", escaped, bytes(3))
text("duplicate-key.field",
     '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"dtype":"U8"}}', "a", '"dtype"', bytes(2))
text("duplicate-key.metadata-key", '{"__metadata__":{"k":"1","k":"2"}}', spot='"2"')
text("duplicate-key.metadata", '{"__metadata__":{},"__metadata__":{}}', spot='"__metadata__"')

# Fields of a tensor.
for label, dtype in {"lower-case": "u8", "empty": "", "new": "F128", "space": "U8 "}.items():
    text(f"unknown-dtype.{label}",
         '{"a":{"dtype":"' + dtype + '","shape":[2],"data_offsets":[0,2]}}', "a", f'"{dtype}"',
         bytes(2))

for field in ("dtype", "shape", "data_offsets"):
    fields = {"dtype": '"U8"', "shape": "[2]", "data_offsets": "[0,2]"}
    del fields[field]
    one = '"a":{' + ",".join(f'"{k}":{v}' for k, v in fields.items()) + "}"
    text(f"bad-field.missing-{field}", "{" + one + "}", "a", one, bytes(2))
text("bad-field.empty-entry", '{"a":{}}', "a", '"a":{}')
text("bad-field.extra", '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"x":1}}', "a", '"x"',
     bytes(2))
for label, value in {"null": "null", "string": '"x"', "number": "1", "true": "true",
                     "array": "[]"}.items():
    text(f"bad-field.entry-is-{label}", '{"a":' + value + "}", "a", '"a":', end=False)
for label, value in {"number": "8", "null": "null", "object": "{}", "array": "[]"}.items():
    text(f"bad-field.dtype-is-{label}",
         '{"a":{"shape":[2],"data_offsets":[0,2],"dtype":' + value + "}}", "a", value, bytes(2),
         end=False)
for label, value in {"number": "2", "null": "null", "string": '"2"', "object": "{}"}.items():
    text(f"bad-field.shape-is-{label}",
         '{"a":{"dtype":"U8","data_offsets":[0,2],"shape":' + value + "}}", "a", value, bytes(2),
         end=False)
for label, value in {
    "negative": "-1",
    "minus-zero": "-0",
    "fraction": "2.5",
    "whole-but-written-as-a-fraction": "2.0",
    "exponent": "2e0",
    "over-64-bits": "18446744073709551616",
    "beyond-every-double": "1e999",
    "of-400-digits": "9" * 400,
    "null": "null",
    "true": "true",
    "string": '"2"',
    "negative-beyond-64-bits": "-9223372036854775809",
}.items():
    text(f"bad-field.extent-{label}",
         '{"a":{"dtype":"U8","data_offsets":[0,2],"shape":[' + value + "]}}", "a", value + "]",
         bytes(2), end=False)
    text(f"bad-field.offset-{label}",
         '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,' + value + "]}}", "a", value + "]",
         bytes(2), end=False)
for label, value in {"none": "[]", "one": "[0]", "three": "[0,2,2]"}.items():
    text(f"bad-field.offsets-{label}",
         '{"a":{"dtype":"U8","shape":[2],"data_offsets":' + value + "}}", "a", None, bytes(2))

for label, value in {"null": "null", "array": "[]", "string": '"x"', "number": "1"}.items():
    text(f"bad-metadata.is-{label}", '{"__metadata__":' + value + "}", spot=value, end=False)
for label, value in {"null": "null", "number": "1", "object": "{}", "array": "[]", "true": "true",
                     "minus-zero": "-0"}.items():
    text(f"bad-metadata.value-is-{label}", '{"__metadata__":{"k":' + value + "}}", spot=value,
         end=False)

# Sizes.
for label, dtype, shape in (
    ("product", "U8", [1 << 32, 1 << 32]),
    ("product-of-many", "U8", [3] * 41),
    ("bytes", "F32", [1 << 62]),
    ("bytes-of-8", "U64", [1 << 61]),
    ("wraps-to-the-payload", "U8", [(1 << 63) + 1, 2]),
):
    one = entry("a", dtype, shape, 0, 2)
    layout(f"size-overflow.{label}", [one], 2, "a", spot=one)

one = entry("a", "U8", [2], 2, 0)
layout("begin-after-end.swapped", [one], 2, "a", spot=one)
one = entry("a", "U8", [0], 1, 0)
layout("begin-after-end.by-one", [one], 0, "a", spot=one)

layout("size-mismatch.one-less", [entry("a", "U8", [3], 0, 2)], 2, "a", 0, 2)
layout("size-mismatch.one-more", [entry("a", "U8", [1], 0, 2)], 2, "a", 0, 2)
layout("size-mismatch.scalar", [entry("a", "F32", [], 0, 2)], 2, "a", 0, 2)
layout("size-mismatch.zero-extent", [entry("a", "F32", [7, 0], 0, 4)], 4, "a", 0, 4)
layout("size-mismatch.second", [GOOD, entry("b", "BF16", [2], 2, 4)], 2, "b", 2, 4)

layout("sub-byte-size.f4", [entry("a", "F4", [3], 0, 2)], 2, "a", spot=entry("a", "F4", [3], 0, 2))
for dtype in ("F6_E2M3", "F6_E3M2"):
    for extent in (1, 2, 3, 6):
        one = entry("a", dtype, [extent], 0, 1)
        layout(f"sub-byte-size.{dtype.lower()}-{extent}", [one], 1, "a", spot=one)

layout("not-contiguous.overlap", [GOOD, entry("b", "U8", [2], 1, 3)], 3, "b", 1, 3)
layout("not-contiguous.same-bytes", [GOOD, entry("b", "U8", [2], 0, 2)], 2, "b", 0, 2)
layout("not-contiguous.inside", [entry("a", "U8", [4], 0, 4), entry("b", "U8", [1], 1, 2)], 4, "b",
       1, 2)
layout("not-contiguous.gap", [GOOD, entry("b", "U8", [2], 3, 5)], 5, "b", 3, 5)
layout("not-contiguous.first-not-at-zero", [entry("a", "U8", [2], 1, 3)], 3, "a", 1, 3)
layout("not-contiguous.empty-inside-another", [GOOD, entry("e", "U8", [0], 1, 1)], 2, "e", 1, 1)
layout("not-contiguous.empty-past-the-end", [GOOD, entry("e", "U8", [0], 3, 3)], 2, "e", 3, 3)
layout("not-contiguous.bytes-after", [GOOD], 3, "a", 0, 2)
layout("not-contiguous.file-cut", [GOOD], 1, "a", 0, 2)
put("not-contiguous.no-tensor-but-bytes", pack(b"{}", b"x"), begin=10, end=11)
huge = entry("a", "U8", [(1 << 64) - 1], 0, (1 << 64) - 1)
data = LENGTH + len(huge) + 2
put("not-contiguous.past-every-file", pack(("{" + huge + "}").encode(), b"x"), "a", data,
    (1 << 64) - 1)

# Nesting.
text("header-too-deep.shape", '{"a":{"dtype":"U8","shape":[[2]],"data_offsets":[0,2]}}', "a", "[2",
     bytes(2), end=False)
text("header-too-deep.metadata", '{"__metadata__":{"k":[{}]}}', spot="{}", end=False)
deep = '{"a":' + "[" * 20000
put("header-too-deep.endless-brackets", pack(deep.encode()), "a", LENGTH + 7, LENGTH + 8)
put("header-too-deep.endless-objects", pack(('{"a":' * 5000).encode()), "a", LENGTH + 15, LENGTH + 16)

(HERE / "expected.tsv").write_text("".join("\t".join(row) + "\n" for row in sorted(rows)))
print(len(rows), "files")
