"""Random safetensors files, most of them headers that are nearly right."""

import json
import struct

# Bits an element.
DTYPES = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8,
          "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16,
          "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64,
          "U64": 64}
NAMES = ("a", "b", "model.layers.0.mlp.down_proj.weight", "", "__metadata", "ä", "漢字", "\U0001f600",
         "a\u0000b", "\n", '"', "\\", "..", "/", "dtype", "\u2028", "\ufeff", "\x7f")
WRONG_NUMBERS = ("-0", "-1", "1.0", "0.0", "1e0", "1E3", "0e0", "18446744073709551615",
                 "18446744073709551616", "9223372036854775808", "-9223372036854775809", "1e400",
                 "00", "01", "+1", ".5", "1.", "0x1", "NaN", "null", "true", '"1"', "[1]", "{}",
                 "4294967296", "1" + "0" * 400)
WRONG_VALUES = ("null", "true", "false", "0", "1.5", '"x"', "[]", "{}", "[0]", '{"x":1}', "")
WRONG_DTYPES = ("u8", "F128", "", "U8 ", "F6", "f32", "E8M0", "BOOL\u0000", "INT8")
SPACES = (" ", "\t", "\n", "\r", "\r\n", "  ", "\u00a0", "\v")


class Text:
    """A JSON value kept as written."""

    def __init__(self, text):
        self.text = text


def dump(value):
    """JSON of a value; objects are lists of pairs, so that a key may stand twice."""
    if isinstance(value, Text):
        return value.text
    if isinstance(value, tuple):
        return "[" + ",".join(map(dump, value)) + "]"
    if isinstance(value, list):
        return "{" + ",".join(f"{dump(key)}:{dump(inner)}" for key, inner in value) + "}"
    return json.dumps(value, ensure_ascii=False)


def payload_bytes(dtype, shape):
    elements = 1
    for extent in shape:
        elements *= extent
    return elements * DTYPES[dtype] // 8


def good_shape(random, dtype):
    rank = random.choice((0, 1, 1, 2, 2, 3, 5))
    shape = [random.choice((0, 1, 1, 2, 3, 4)) for _ in range(rank)]
    if DTYPES[dtype] < 8:
        shape.append(4)
    return shape


def good_entries(random):
    """Tensors whose payloads follow each other: pairs of name and fields, and all their bytes."""
    entries, reached = [], 0
    for name in random.sample(NAMES, random.choice((0, 1, 1, 2, 2, 3, 4))):
        dtype = random.choice(list(DTYPES))
        shape = good_shape(random, dtype)
        end = reached + payload_bytes(dtype, shape)
        fields = [["dtype", dtype], ["shape", tuple(shape)], ["data_offsets", (reached, end)]]
        if random.random() < 0.3:
            random.shuffle(fields)
        entries.append([name, fields])
        reached = end
    return entries, reached


def good_metadata(random):
    return [[random.choice(("format", "k", "", "ü")) + str(i), random.choice(("pt", "", "é\n"))]
            for i in range(random.randrange(3))]


def field(fields, name):
    return next((pair for pair in fields if pair[0] == name), None)


def change_tensor(random, entries, metadata):
    """One mistake, or one oddity, of one tensor."""
    entry = random.choice(entries)
    fields = entry[1]
    if not isinstance(fields, list):
        return
    change = random.randrange(15)
    name = random.choice(("dtype", "shape", "data_offsets"))
    chosen = field(fields, name)
    if change == 0 and chosen:
        fields.remove(chosen)
    elif change == 1:
        fields.append([random.choice(("x", "Dtype", "offsets", "")), Text(random.choice(
            WRONG_VALUES[:-1] + ("[[[[[[1]]]]]]", '{"a":{"b":{"c":{}}}}')))])
    elif change == 2 and chosen:
        fields.append(list(chosen))
    elif change == 3 and chosen:
        chosen[1] = Text(random.choice(WRONG_VALUES))
    elif change == 4 and field(fields, "dtype"):
        field(fields, "dtype")[1] = random.choice(WRONG_DTYPES)
    elif change == 5 and field(fields, "dtype"):
        field(fields, "dtype")[1] = random.choice(list(DTYPES))
    elif change in (6, 7) and name != "dtype" and chosen and isinstance(chosen[1], tuple):
        numbers = list(chosen[1]) or [0]
        numbers[random.randrange(len(numbers))] = random.choice(
            [Text(n) for n in WRONG_NUMBERS] + [0, 1, 2, 1 << 32, 1 << 62, 1 << 63])
        chosen[1] = tuple(numbers)
    elif change == 8 and name != "dtype" and chosen and isinstance(chosen[1], tuple):
        chosen[1] = chosen[1] + (random.choice((0, 1, 2)),)
    elif change == 9 and field(fields, "data_offsets"):
        offsets = field(fields, "data_offsets")
        if isinstance(offsets[1], tuple) and len(offsets[1]) == 2 and all(
                isinstance(n, int) for n in offsets[1]):
            begin, end = offsets[1]
            offsets[1] = random.choice(((end, begin), (begin + 1, end + 1), (begin, end + 1),
                                        (max(begin - 1, 0), end), (0, end), (begin + 1, end)))
    elif change == 10:
        entries.append([entry[0], list(fields)])
    elif change == 11 and all(field(fields, key) for key in ("dtype", "shape", "data_offsets")):
        entry[1] = tuple(field(fields, key)[1] for key in ("dtype", "shape", "data_offsets"))
    elif change == 12 and field(fields, "dtype"):
        field(fields, "dtype")[1] = [[field(fields, "dtype")[1], Text(random.choice(
            ("null", "null", "1", "[]", "{}")))]]
    elif change == 13 and field(fields, "shape") and field(fields, "data_offsets"):
        shape = [1 << random.choice((31, 32, 62, 63)) for _ in range(random.randrange(1, 4))]
        field(fields, "shape")[1] = tuple(random.sample(shape + [0], len(shape) + 1))
        if random.random() < 0.7:
            field(fields, "data_offsets")[1] = (0, 0)
    else:
        entry[1] = Text(random.choice(WRONG_VALUES))


def change_metadata(random, entries, metadata):
    change = random.randrange(4)
    if change == 0:
        return Text(random.choice(WRONG_VALUES))
    pairs = metadata if isinstance(metadata, list) else []
    if change == 1:
        return pairs + [["k", Text(random.choice(WRONG_VALUES[:-1]))]]
    if change == 2:
        return pairs + [["k", "1"], ["k", random.choice(("1", "2"))]]
    entries.append(["__metadata__", []])
    return metadata


def change_text(random, text):
    """One change of the text itself."""
    at = random.randrange(len(text) + 1)
    change = random.randrange(8)
    if change == 0:
        return text[:at] + text[at + 1:]
    if change == 1:
        return text[:at] + random.choice('{}[]",:0\\ \0\x1fx') + text[at:]
    if change == 2:
        return text[:at] + random.choice(SPACES) + text[at:]
    if change == 3:
        return random.choice(SPACES + ("\ufeff", "[", "x")) + text
    if change == 4:
        return text + random.choice(SPACES + ("\0", "{}", "x", ","))
    if change == 5:
        return text.replace("a", random.choice(("\\u0061", "\\ud800", "\\x61", "\\/", "\\udc00a")), 1)
    if change == 6:
        return text[:at]
    return text.replace(",", random.choice((",,", " ,\t", ";")), 1)


def change_bytes(random, data):
    at = random.randrange(len(data) + 1)
    wrong = (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80")
    return data[:at] + random.choice(wrong) + data[at:]


def make_case(random):
    """One file."""
    entries, size = good_entries(random)
    metadata = good_metadata(random) if random.random() < 0.4 else None
    for _ in range(random.choice((0, 1, 1, 1, 1, 2, 3))):
        if random.random() < 0.15:
            metadata = change_metadata(random, entries, metadata)
        elif entries:
            change_tensor(random, entries, metadata)
    document = [list(entry) for entry in entries]
    if random.random() < 0.3:
        random.shuffle(document)
    if metadata is not None:
        document.insert(random.randrange(len(document) + 1), ["__metadata__", metadata])
    text = dump(document)
    if random.random() < 0.15:
        text = change_text(random, text)
    # A lone half of a surrogate pair can stand in an escape alone.
    data = text.encode("utf-8", "surrogatepass")
    if random.random() < 0.03:
        data = change_bytes(random, data)
    if random.random() < 0.2:
        data += b" " * random.randrange(9)
    length = len(data)
    if random.random() < 0.03:
        length = max(0, length + random.choice((-1, 1, 8, 1 << 20, 100_000_000, 1 << 62)))
    if random.random() < 0.05:
        size = max(0, size + random.choice((-1, 1, 2)))
    file = struct.pack("<Q", length) + data + random.randbytes(size)
    return file[:random.randrange(12)] if random.random() < 0.01 else file
