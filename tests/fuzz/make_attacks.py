#!/usr/bin/env python3
"""Writes the attack folders of every parser but that of safetensors headers, which has its own
(tests/io/attacks): files that each break one rule, and expected.tsv with a line a file:

file, what the refusal must say ("-": anything).

A file's name up to the first dot is the error kind that must result. Run it again after a change;
it removes what it no longer writes. The files are inputs of the fuzz targets too.
"""

import copy
import json
import pathlib
import struct

TESTS = pathlib.Path(__file__).resolve().parents[1]
INFINITY = float("inf")
NAN = float("nan")
ABSENT = object()


class Folder:
    """One parser's attacks, made from a document that it accepts."""

    def __init__(self, folder, good=None, extension="json"):
        self.path = TESTS / folder
        self.path.mkdir(parents=True, exist_ok=True)
        self.good = good
        self.extension = extension
        self.rows = {}
        for old in self.path.iterdir():
            old.unlink()

    def put(self, name, content, says="-", extension=None):
        file = f"{name}.{extension or self.extension}"
        assert file not in self.rows, file
        (self.path / file).write_bytes(content.encode() if isinstance(content, str) else content)
        self.rows[file] = says

    def change(self, name, path, value, says="-"):
        """The good document with `value` at `path` ("layers.0.cells"), or without it."""
        document = copy.deepcopy(self.good)
        *outer, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        place = document
        for key in outer:
            place = place[key]
        if value is ABSENT:
            del place[last]
        else:
            place[last] = value
        self.put(name, json.dumps(document, separators=(",", ":")), says)

    def absent(self, *paths):
        for path in paths:
            self.change(f"json-field.{path}-absent", path, ABSENT, quoted(path) + " is missing")

    def not_text(self, *paths):
        for path in paths:
            self.change(f"json-field.{path}-is-number", path, 1, quoted(path) + " is not a string")

    def not_whole(self, *paths, low=0):
        for path in paths:
            for label, value in {"fraction": 1.5, "negative": -1, "text": "1", "true": True,
                                 "2e0": 2.0, "null": None}.items():
                self.change(f"json-field.{path}-is-{label}", path, value,
                            quoted(path) + " is not a whole number")
            if low > 0:
                self.change(f"json-field.{path}-is-0", path, 0, quoted(path) + " is 0, which is not")

    def syntax(self):
        """What every JSON file is refused for."""
        text = json.dumps(self.good, separators=(",", ":"))
        self.put("json-bom.first", "\ufeff" + text)
        self.put("json-not-utf8.lone-byte", text.encode().replace(b'"', b'"\xff', 1))
        self.put("json-syntax.cut", text[:-1])
        self.put("json-syntax.empty", "")
        self.put("json-syntax.nul", text + "\0")
        self.put("json-syntax.two-documents", text + text)
        self.put("json-syntax.number-too-large", text.replace("{", '{"x":1e999,', 1))
        key = next(iter(self.good))
        self.put("json-duplicate-key.first-key",
                 text.replace("{", "{" + f'"{key}":null,', 1), f'"{key}"')
        self.put("json-too-deep.array", '{"x":' + "[" * 70 + "]" * 70 + "}")
        self.put("json-too-deep.endless", "[" * 20000)

    def write(self):
        lines = [f"{file}\t{says}\n" for file, says in sorted(self.rows.items())]
        (self.path / "expected.tsv").write_text("".join(lines))
        print(f"{self.path.relative_to(TESTS.parent)}: {len(self.rows)} files")


def quoted(path):
    """A path as messages print it: layers.0.cells is "layers[0].cells"."""
    words = []
    for key in path.split("."):
        if key.isdigit():
            words[-1] += f"[{key}]"
        else:
            words.append(key)
    return '"' + ".".join(words) + '"'


def shard_index():
    shard = "model-00001-of-00001.safetensors"
    folder = Folder("model/attacks/shard_index",
                    {"metadata": {"total_size": 8}, "weight_map": {"a": shard}})
    folder.syntax()
    folder.put("index-field.array", "[]", "not a JSON object")
    folder.change("index-field.no-map", "weight_map", ABSENT, "weight_map")
    folder.change("index-field.map-is-array", "weight_map", [], "weight_map")
    folder.change("index-field.map-is-null", "weight_map", None, "weight_map")
    for label, value in {"number": 1, "null": None, "array": [shard]}.items():
        folder.change(f"index-field.shard-is-{label}", "weight_map.a", value, "no file name")
    folder.change("index-empty.no-tensor", "weight_map", {}, "names no tensor")
    for label, name in {
        "parent": "../model.safetensors",
        "parent-inside": "a/../../model.safetensors",
        "absolute": "/etc/model.safetensors",
        "folder": "a/model.safetensors",
        "backslash": "..\\model.safetensors",
        "dots": "..",
        "hidden": ".model.safetensors",
        "extension-alone": ".safetensors",
        "empty": "",
        "other-extension": "model.bin",
        "extension-in-capitals": "model.SAFETENSORS",
        "pickle": "model.safetensors.pkl",
        "line-end": "model\n.safetensors",
        "nul": "model.bin\0.safetensors",
        "escape": "\x1b[2Jmodel.safetensors",
        "delete": "model\x7f.safetensors",
    }.items():
        folder.change(f"shard-name.{label}", "weight_map.a", name, "no plain file name")
    return folder


def config():
    folder = Folder("model/attacks/config", {
        "model_type": "gemma4", "num_hidden_layers": 2, "hidden_size": 4, "intermediate_size": 6,
        "hidden_act": "silu", "rms_norm_eps": 1e-6, "num_kv_shared_layers": 1,
        "use_double_wide_mlp": True, "layer_types": ["sliding_attention", "full_attention"]})
    folder.syntax()
    folder.put("json-field.array", "[]", "not a JSON object")
    folder.put("json-field.nested-is-array", '{"text_config":[]}', '"text_config" must be an object')
    folder.put("json-field.nested-is-text", '{"text_config":"x"}', '"text_config" must be an object')
    for key in ("model_type", "hidden_act", "hidden_activation"):
        folder.change(f"json-field.{key}-is-number", key, 1, f'"{key}" must be a string')
    for key in ("num_hidden_layers", "hidden_size", "intermediate_size", "sliding_window_pattern",
                "_sliding_window_pattern"):
        for label, value in {"0": 0, "negative": -1, "fraction": 1.5, "whole-fraction": 2.0,
                             "past-2-31": (1 << 31) + 1, "past-64-bits": 1 << 64, "true": True,
                             "array": [1]}.items():
            folder.change(f"json-field.{key}-is-{label}", key, value,
                          f'"{key}" must be a whole number')
    for key in ("num_hidden_layers", "hidden_size", "intermediate_size"):
        folder.change(f"json-field.{key}-is-text", key, "2", f'"{key}" must be a whole number')
    folder.put("json-field.hidden_size-is-minus-zero", '{"hidden_size":-0}', "whole number")
    for key in ("num_kv_shared_layers", "num_experts", "num_local_experts", "n_routed_experts"):
        folder.change(f"json-field.{key}-is-negative", key, -1, f'"{key}" must be a whole number')
        folder.change(f"json-field.{key}-is-text", key, "x", f'"{key}" must be a whole number')
    folder.change("json-field.use_double_wide_mlp-is-number", "use_double_wide_mlp", 1,
                  "must be true or false")
    folder.change("json-field.layer_types-is-text", "layer_types", "full", "must be a list")
    folder.change("json-field.layer_types-too-few", "layer_types", ["full"], "has 1 entries")
    folder.change("json-field.layer_types-of-numbers", "layer_types", [1, 2], "list of strings")
    for label, value in {"text": "x", "negative": -1e-6, "true": True}.items():
        folder.change(f"json-field.rms_norm_eps-is-{label}", "rms_norm_eps", value,
                      '"rms_norm_eps" must be a number, 0 or more')
    return folder


def families():
    def one(**entry):
        return {"schema": "contourfuse.families/1", "sources": [entry]}

    def shape(knots, slopes, **more):
        return one(name="n", knots=knots, slopes=slopes, **more)

    folder = Folder("neuron/attacks/families", one(family="hardtanh", parameters=[2], kind="both"))

    def put(name, document, says="-"):
        folder.put(name, json.dumps(document, separators=(",", ":")), says)

    folder.syntax()
    folder.put("json-field.array", "[]", "the document is not an object")
    folder.absent("schema", "sources")
    folder.not_text("schema", "sources.0.family", "sources.0.kind")
    folder.change("json-field.schema-other", "schema", "contourfuse.families/2", '"schema" is not')
    folder.change("json-unknown-key.root", "more", 1, '"more"')
    folder.change("json-unknown-key.family-and-knots", "sources.0.knots", [1], '"sources[0].knots"')
    put("json-unknown-key.parameters-without-family",
        shape([], [1], parameters=[1]), '"sources[0].parameters"')
    folder.change("json-field.sources-is-object", "sources", {}, '"sources" is not an array')
    folder.change("json-field.too-many-sources", "sources", [0] * 4097, "more than 4096 entries")
    folder.change("json-field.source-is-number", "sources.0", 1, '"sources[0]" is not an object')
    folder.change("bad-bank.no-sources", "sources", [], "1 to 4096")
    folder.change("bad-bank.kind-unknown", "sources.0.kind", "local", "layer kind")
    folder.change("bad-bank.name-empty", "sources.0.name", "", "bad name")
    folder.change("json-field.name-too-long", "sources.0.name", "n" * 257, "longer than 256 bytes")
    folder.change("bad-family.unknown", "sources.0.family", "relu", "not known")
    folder.change("bad-family.too-few-parameters", "sources.0.parameters", [], "0 parameters")
    folder.change("bad-family.too-many-parameters", "sources.0.parameters", [1, 2], "2 parameters")
    folder.change("json-field.nine-parameters", "sources.0.parameters", [1] * 9, "more than 8")
    folder.change("json-field.parameter-is-text", "sources.0.parameters", ["1"], "finite number")
    folder.change("bad-source-neuron.negative-knot", "sources.0.parameters", [-1], "z > 0")
    folder.change("bad-source-neuron.knot-at-zero", "sources.0.parameters", [0], "z > 0")
    put("bad-source-neuron.family-descends",
        one(family="deadzone_clip", parameters=[2, 1]), "ascend")
    put("json-field.name-absent", one(knots=[], slopes=[1]), '"sources[0].name" is missing')
    put("json-field.knots-absent", one(name="n", slopes=[1]), '"sources[0].knots" is missing')
    put("json-field.slopes-absent", one(name="n", knots=[]), '"sources[0].slopes" is missing')
    put("json-field.65-knots", shape(list(range(1, 66)), [1] * 65), "more than 64 entries")
    put("json-field.66-slopes", shape([1], [1] * 66), "more than 65 entries")
    put("bad-source-neuron.as-many-slopes", shape([1], [1]), "one slope more")
    put("bad-source-neuron.no-slopes", shape([], []), "one slope more")
    put("bad-source-neuron.same-knot-twice", shape([1, 1], [1, 2, 3]), "ascend")
    put("bad-source-neuron.whole-line-descends",
        shape([1, -1], [1, 2, 1], value_at_zero=0), "ascend")
    put("json-field.value-is-text", shape([-1, 1], [0, 1, 0], value_at_zero="0"), "is not a number")
    put("even-part.offset", shape([-1, 1], [0, 1, 0], value_at_zero=1), "has an even part")
    put("even-part.one-sided", shape([0], [0, 1], value_at_zero=0), "has an even part")
    return folder


def recipe():
    source = {"name": "hardtanh(2)", "kind": "both", "knots": [2.0], "slopes": [1.0, 0.0],
              "gains": [0.5, 1.0, 2.0, 32.0], "coefficients": [-5.75, 0.1884765625, -0.7578125, 1.0],
              "fit_error": 0.03}
    layer = {"layer": 4, "kind": "global", "hidden_size": 8, "intermediate_size": 16, "cells": 2}
    folder = Folder("neuron/attacks/recipe", {
        "schema": "contourfuse.delta/1", "kind": "recipe", "seed": 42, "activation": "silu",
        "gains_per_cell": 4, "gate_scale": 1.0, "down_scale": 2.0, "balance": True,
        "bank": {"sources": [source]}, "base": {"family": "f", "hidden_size": 8, "digest": "00"},
        "layers": [layer]})
    folder.syntax()
    folder.put("json-field.array", "[]", "the document is not an object")
    folder.absent("schema", "kind", "seed", "activation", "gains_per_cell", "gate_scale",
                  "down_scale", "balance", "bank", "bank.sources", "base", "base.family",
                  "base.hidden_size", "base.digest", "layers",
                  *(f"layers.0.{key}" for key in layer))
    for key in source:
        folder.change(f"json-field.sources.0.{key}-absent", f"bank.sources.0.{key}", ABSENT,
                      f'"sources[0].{key}" is missing')
    folder.not_text("schema", "kind", "activation", "base.family", "base.digest", "layers.0.kind")
    folder.not_whole("seed")
    folder.not_whole("base.hidden_size", "layers.0.intermediate_size", "gains_per_cell", low=1)
    folder.change("json-field.seed-past-64-bits", "seed", 1 << 64, "not a whole number")
    folder.change("json-field.schema-other", "schema", "contourfuse.delta/2", '"schema" is not')
    folder.change("json-field.kind-other", "kind", "half", "neither stored nor recipe")
    folder.change("json-field.layer-kind-other", "layers.0.kind", "both", "neither sliding nor")
    folder.change("json-field.balance-is-number", "balance", 1, "neither true nor false")
    folder.change("unknown-activation.unknown", "activation", "relu")
    folder.change("json-field.other-gains", "gains_per_cell", 8, "is not the number of the bank's")
    for key in ("gate_scale", "down_scale"):
        folder.change(f"json-field.{key}-of-64-bits", key, 0.1, "is no 32-bit number")
        folder.change(f"json-field.{key}-past-32-bits", key, 1e39, f'"{key}"')
        for label, value in {"0": 0.0, "negative": -1.0, "too-large": 65537.0,
                             "too-small": 2.0 ** -17}.items():
            folder.change(f"json-field.{key}-{label}", key, value, "is not between")
        folder.change(f"json-field.{key}-is-text", key, "1", "is not a number")
    for path in ("bank", "base", "bank.sources.0", "layers.0"):
        folder.change(f"json-field.{path}-is-array", path, [], "is not an object")
    for path in ("more", "bank.more", "base.more", "bank.sources.0.more", "layers.0.more"):
        folder.change(f"json-unknown-key.{path}", path, 1, "more")
    folder.change("json-field.sources-is-object", "bank.sources", {}, "is not an array")
    folder.change("json-field.layers-is-object", "layers", {}, "is not an array")
    folder.change("json-field.too-many-sources", "bank.sources", [0] * 4097, "more than 4096")
    folder.change("bad-bank.no-sources", "bank.sources", [], "1 to 4096")
    folder.change("bad-bank.name-empty", "bank.sources.0.name", "", "bad name")
    folder.change("json-field.name-too-long", "bank.sources.0.name", "n" * 257, "longer than 256")
    folder.change("bad-bank.kind-other", "bank.sources.0.kind", "local", "layer kind")
    folder.change("json-field.65-knots", "bank.sources.0.knots", list(range(1, 66)), "more than 64")
    folder.change("bad-source-neuron.negative-knot", "bank.sources.0.knots", [-1], "z > 0")
    folder.change("bad-source-neuron.slopes", "bank.sources.0.slopes", [1], "one slope more")
    folder.change("bad-bank.gain-not-power-of-two", "bank.sources.0.gains", [0.5, 1, 3, 32], "gains")
    folder.change("bad-bank.gain-descends", "bank.sources.0.gains", [1, 0.5, 2, 32], "gains")
    folder.change("bad-bank.gain-twice", "bank.sources.0.gains", [1, 1, 2, 32], "gains")
    folder.change("bad-bank.gain-0", "bank.sources.0.gains", [0, 1, 2, 32], "gains")
    folder.change("bad-bank.gain-negative", "bank.sources.0.gains", [-1, 1, 2, 32], "gains")
    folder.change("bad-bank.gain-too-large", "bank.sources.0.gains", [0.5, 1, 2, 131072], "gains")
    folder.change("json-field.17-gains", "bank.sources.0.gains", [1] * 17, "more than 16")
    folder.change("bad-bank.no-gains", "bank.sources.0.gains", [], "1 to 16 gains")
    folder.change("bad-bank.three-coefficients", "bank.sources.0.coefficients", [1, 1, 1],
                  "a coefficient for each")
    folder.change("bad-bank.coefficient-of-32-bits", "bank.sources.0.coefficients",
                  [1, 1, 1, 1.001953125], "no bf16 value")
    folder.change("json-field.coefficient-of-64-bits", "bank.sources.0.coefficients",
                  [1, 1, 1, 0.1], "no 32-bit number")
    folder.change("json-field.coefficient-past-32-bits", "bank.sources.0.coefficients",
                  [1, 1, 1, 1e39], "no 32-bit number")
    folder.change("bad-bank.coefficient-too-large", "bank.sources.0.coefficients",
                  [1, 1, 1, 2.0 ** 33], "outside of")
    folder.change("bad-bank.coefficient-too-small", "bank.sources.0.coefficients",
                  [1, 1, 1, 2.0 ** -33], "outside of")
    folder.change("bad-bank.error-negative", "bank.sources.0.fit_error", -1.0, "not negative")
    folder.change("json-field.family-too-long", "base.family", "f" * 257, "longer than 256")
    for path in ("base.hidden_size", "layers.0.hidden_size"):
        folder.change(f"json-field.{path}-1", path, 1, "is 1, which is not between")
        folder.change(f"json-field.{path}-past-2-20", path, (1 << 20) + 1, "which is not between")
    folder.change("json-field.width-past-2-24", "layers.0.intermediate_size", (1 << 24) + 1,
                  "which is not between")
    folder.change("json-field.layer-past-32-bits", "layers.0.layer", 1 << 32, "not between")
    folder.change("json-field.cells", "layers.0.cells", 3, "is not the 2 that follow")
    folder.change("json-field.layer-twice", "layers", [layer, layer], "does not ascend")
    folder.change("json-field.layers-descend", "layers", [layer, {**layer, "layer": 3}], "ascend")
    folder.change("bad-recipe.no-source-for-it", "bank.sources.0.kind", "sliding", "meant for global")
    return folder


def container(tensors, metadata=None):
    """A safetensors file: name -> (dtype, shape, bytes)."""
    header = {} if metadata is None else {"__metadata__": metadata}
    payload = b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape),
                        "data_offsets": [len(payload), len(payload) + len(data)]}
        payload += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + payload


def doubles(*values):
    return struct.pack(f"<{len(values)}d", *values)


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def bank():
    folder = Folder("neuron/attacks/bank", extension="safetensors")
    metadata = {"schema": "contourfuse.bank/1", "activation": "silu", "names": '["a","b"]',
                "kinds": '["both","global"]', "lambda": "0.01", "ridge": "1e-05"}
    # Two sources; the first has one knot, the second none.
    tensors = {"knots": ("F64", (2, 2), doubles(1, INFINITY, INFINITY, INFINITY)),
               "slopes": ("F64", (2, 3), doubles(1, 0, 0, 1, 1, 1)),
               "fit_error": ("F64", (2,), doubles(0.1, 0.2)),
               "storage_error": ("F64", (2,), doubles(0, 0)),
               "gains": ("F32", (2, 2), floats(1, 2, 1, 2)),
               "coefficients": ("F32", (2, 2), floats(1, -0.5, 0, 2))}

    def put(name, says="-", **changes):
        changed = {**tensors, **{k: v for k, v in changes.items() if k in tensors}}
        words = {**metadata, **{k: v for k, v in changes.items() if k not in tensors}}
        folder.put(name, container({k: v for k, v in changed.items() if v is not ABSENT},
                                   {k: v for k, v in words.items() if v is not ABSENT}), says)

    folder.put("header-past-end.cut", container(tensors, metadata)[:99])
    folder.put("not-contiguous.cut", container(tensors, metadata)[:-1])
    for key in metadata:
        put(f"bad-bank.{key}-absent", f'no "{key}"', **{key: ABSENT})
    for key in tensors:
        put(f"bad-bank.{key}-absent", "six tensors", **{key: ABSENT})
    folder.put("bad-bank.seven-tensors", container({**tensors, "x": ("U8", (0,), b"")}, metadata),
               "six tensors")
    folder.put("bad-bank.other-tensor", container(
        {("k" if name == "knots" else name): tensor for name, tensor in tensors.items()}, metadata),
        "the tensor is missing")
    put("bad-bank.schema-other", "the schema is", schema="contourfuse.bank/2")
    put("unknown-activation.unknown", activation="relu")
    put("json-syntax.names", names="[")
    put("bad-bank.names-is-object", "no array of names", names="{}")
    put("bad-bank.names-of-numbers", "no array of names", names="[1,2]")
    put("bad-bank.no-names", "0 names", names="[]", kinds="[]")
    put("bad-bank.other-kinds", "2 names and 1 kinds", kinds='["both"]')
    put("bad-bank.three-names", names='["a","b","c"]', kinds='["both","both","both"]')
    put("bad-bank.4097-names", "4097 names", names=json.dumps(["a"] * 4097),
        kinds=json.dumps(["both"] * 4097))
    put("bad-bank.name-empty", "bad name", names='["a",""]')
    put("bad-bank.name-too-long", "bad name", names=json.dumps(["a", "b" * 257]))
    put("bad-bank.kind-other", "layer kind", kinds='["both","local"]')
    for key in ("lambda", "ridge"):
        put(f"bad-bank.{key}-negative", "0 or more", **{key: "-1"})
        put(f"bad-bank.{key}-is-text", "0 or more", **{key: '"1"'})
    put("bad-bank.knots-of-rank-1", knots=("F64", (4,), doubles(1, 2, 3, 4)))
    put("bad-bank.65-knots", "does not fit", knots=("F64", (2, 65), doubles(*range(130))))
    put("bad-bank.knots-of-32-bits", "instead of F64", knots=("F32", (2, 2), floats(1, 2, 3, 4)))
    put("bad-bank.knots-of-three", "instead of", knots=("F64", (3, 2), doubles(*range(6))))
    put("bad-bank.slopes-as-many", "instead of", slopes=("F64", (2, 2), doubles(1, 0, 1, 0)))
    put("bad-bank.17-gains", "does not fit", gains=("F32", (2, 17), floats(*range(34))))
    put("bad-bank.no-gains", "1 to 16 gains", gains=("F32", (2, 0), b""),
        coefficients=("F32", (2, 0), b""))
    put("bad-bank.three-coefficients", "instead of", coefficients=("F32", (2, 3), floats(*range(6))))
    put("bad-bank.gains-of-64-bits", "instead of F32", gains=("F64", (2, 2), doubles(1, 2, 1, 2)))
    put("bad-bank.errors-of-three", "instead of", fit_error=("F64", (3,), doubles(1, 2, 3)))
    put("bad-bank.knot-after-gap", "has a gap", knots=("F64", (2, 2), doubles(INFINITY, 1, 1, 2)))
    put("bad-bank.slope-after-last", "has a gap", slopes=("F64", (2, 3), doubles(1, 0, 1, 1, 1, 1)))
    put("bad-bank.knot-nan", "source neuron 0", knots=("F64", (2, 2), doubles(NAN, 2, 1, 2)),
        slopes=("F64", (2, 3), doubles(1, 0, 1, 1, 0, 1)))
    put("bad-bank.knot-negative", "z > 0", knots=("F64", (2, 2), doubles(-1, 2, 1, 2)))
    put("bad-bank.knots-descend", "ascend", knots=("F64", (2, 2), doubles(2, 1, 1, 2)))
    put("bad-bank.slope-nan", slopes=("F64", (2, 3), doubles(NAN, 0, 0, 1, 1, 1)))
    put("bad-bank.slope-infinite", "slopes must be finite",
        slopes=("F64", (2, 3), doubles(INFINITY, 0, 0, 1, 1, 1)))
    for label, value in {"3": 3, "0": 0, "negative": -2, "nan": NAN, "infinite": INFINITY,
                         "2-17": 131072, "same": 1}.items():
        put(f"bad-bank.gain-{label}", "gains must be", gains=("F32", (2, 2), floats(1, value, 1, 2)))
    put("bad-bank.gains-descend", "gains must be", gains=("F32", (2, 2), floats(1, 2, 2, 1)))
    for label, value in {"nan": NAN, "infinite": INFINITY, "32-bits": 1.001953125}.items():
        put(f"bad-bank.coefficient-{label}", "no bf16 value",
            coefficients=("F32", (2, 2), floats(1, 1, 1, value)))
    put("bad-bank.coefficient-2-33", "outside of",
        coefficients=("F32", (2, 2), floats(1, 1, 1, 2.0 ** 33)))
    put("bad-bank.coefficient-subnormal", "outside of",
        coefficients=("F32", (2, 2), floats(1, 1, 1, 2.0 ** -127)))
    for key in ("fit_error", "storage_error"):
        for label, value in {"nan": NAN, "infinite": INFINITY, "negative": -1}.items():
            put(f"bad-bank.{key}-{label}", "errors must be", **{key: ("F64", (2,), doubles(0, value))})
    return folder


def plan():
    good = {
        "schema": "contourfuse.sweep.plan/1", "version": "0.1.0", "model": "m", "revision": "",
        "weights": "d", "probe": "",
        "parameters": {"variance_norm": "match", "rounding": "nearest", "rounding_seed": 0,
                       "probe_tokens": 4, "probe_seed": 0, "exact": False, "layers_per_task": 1},
        "budget": {"metric": "drift", "limit": 0.5}, "alphas": [0.5, 1.0], "gammas": [0.25],
        "tasks": [[0], [1, 2]], "base_digest": "00", "contents": {"recipe": "11"},
        "files": [{"path": "/m", "bytes": 1, "inode": 2, "modified_ns": -3}]}
    folder = Folder("sweep/attacks/plan", good)
    folder.syntax()
    folder.put("json-field.array", "[]", "the document is not an object")
    texts = ("schema", "model", "revision", "weights", "probe", "base_digest")
    folder.absent(*texts, "parameters", "budget", "alphas", "gammas", "tasks", "contents", "files",
                  *(f"parameters.{key}" for key in good["parameters"]), "budget.metric",
                  "budget.limit", *(f"files.0.{key}" for key in good["files"][0]))
    folder.not_text(*texts, "parameters.variance_norm", "parameters.rounding", "budget.metric",
                    "contents.recipe", "files.0.path")
    folder.not_whole("parameters.rounding_seed", "parameters.probe_tokens", "parameters.probe_seed",
                     "files.0.bytes", "files.0.inode")
    folder.not_whole("parameters.layers_per_task", low=1)
    folder.change("json-field.schema-other", "schema", "contourfuse.sweep.plan/2", "another kind")
    folder.change("json-field.model-too-long", "model", "m" * 65537, "longer than 65536 bytes")
    for path in ("parameters", "budget", "contents", "files.0"):
        folder.change(f"json-field.{path}-is-array", path, [], "is not an object")
    folder.change("json-field.too-many-tokens", "parameters.probe_tokens", 1_000_001, "not between")
    folder.change("json-field.exact-is-number", "parameters.exact", 1, "neither true nor false")
    for path in ("parameters.variance_norm", "parameters.rounding", "budget.metric"):
        folder.change(f"json-field.{path}-unknown", path, "other", "has an unknown value")
    folder.change("json-field.limit-is-text", "budget.limit", "1", "is not a number")
    for path in ("more", "parameters.more", "budget.more", "files.0.more"):
        folder.change(f"json-unknown-key.{path}", path, 1, "more")
    for axis in ("alphas", "gammas"):
        folder.change(f"json-field.{axis}-is-number", axis, 1, "is not an array")
        folder.change(f"json-field.{axis}-of-text", axis, ["1"], "no finite number")
        folder.change(f"json-field.{axis}-empty", axis, [], "has no value")
    folder.change("json-field.gammas-negative", "gammas", [1, -0.5], "negative value")
    folder.change("json-field.tasks-is-object", "tasks", {}, "is not an array")
    for label, value, says in (
            ("empty", [], "is empty"), ("of-numbers", [0], "without layers"),
            ("without-layers", [[0], []], "without layers"), ("of-text", [["0"]], "no number"),
            ("of-negatives", [[-1]], "no number"), ("descend", [[1, 0]], "ascend"),
            ("descend-between", [[1], [0]], "ascend"), ("same-layer", [[0], [0]], "ascend")):
        folder.change(f"json-field.tasks-{label}", "tasks", value, says)
    folder.change("json-field.files-is-object", "files", {}, "is not an array")
    for label, value in {"fraction": 1.5, "past-63-bits": 1 << 63, "text": "1"}.items():
        folder.change(f"json-field.modified-{label}", "files.0.modified_ns", value,
                      '"files[0].modified_ns" is not')
    return folder


def part():
    """Bodies with PLAN in the place of the plan's digest, which the test seals; .raw as they are."""
    def matrix(points):
        return {"covered": 9, "weight2": 1.5, "max_delta": 2.0, "moved": [1] * points,
                "changed": [0.5] * points, "lost": [0.0] * points, "clamped": [0] * points,
                "sign_flips": [0] * points, "change2": [0.25] * points, "change": [0.5] * points}

    def layer(number, kind):
        output = {"values": 8, "base2": 1.0, "norm_base2": 2.0}
        for key in ("change2", "change", "cross", "out2", "norm_change2"):
            output[key] = [0.5] * 6
        return {"layer": number, "kind": kind, "gate": matrix(2), "down": matrix(3),
                "output": output}

    good = {"schema": "contourfuse.sweep.part/1", "plan": "PLAN", "task": 0,
            "layers": [layer(0, "sliding"), layer(1, "global")]}
    folder = Folder("sweep/attacks/part", good)
    text = json.dumps(good, separators=(",", ":"))
    folder.put("part-damaged.no-hash", text, "not as it was written", "raw")
    folder.put("part-damaged.empty", "", "not as it was written", "raw")
    folder.put("part-damaged.other-hash", text[:-1] + ',"xxh3_128":"' + "0" * 32 + '"}\n',
               "not as it was written", "raw")
    folder.put("json-syntax.cut", text[:-2])
    folder.put("json-bom.first", "\ufeff" + text)
    folder.put("json-not-utf8.lone-byte", text.encode().replace(b'"', b'"\xff', 1))
    folder.put("json-duplicate-key.schema", text.replace("{", '{"schema":1,', 1))
    folder.put("json-too-deep.array", '{"x":' + "[" * 70 + "]" * 70 + "}")
    folder.absent("schema", "plan", "task", "layers")
    folder.not_text("schema", "plan")
    folder.change("part-damaged.schema-other", "schema", "contourfuse.sweep.part/2", "another plan")
    folder.change("part-damaged.other-plan", "plan", "0" * 32, "another plan")
    folder.change("part-damaged.other-task", "task", 1, "another plan")
    folder.change("part-damaged.one-layer", "layers", good["layers"][:1], "another plan")
    folder.change("json-field.task-is-text", "task", "0", "not a whole number")
    folder.change("json-field.three-layers", "layers", good["layers"] + [1], "more than 2")
    folder.change("json-field.layer-is-number", "layers.0", 1, "is not an object")
    for key in ("gate", "down", "output"):
        folder.absent(f"layers.0.{key}")
        folder.change(f"json-field.{key}-is-array", f"layers.1.{key}", [], "is not an object")
    for key in matrix(1):
        folder.absent(f"layers.0.gate.{key}")
    for key in good["layers"][0]["output"]:
        folder.absent(f"layers.1.output.{key}")
    folder.not_whole("layers.0.gate.covered", "layers.0.output.values")
    for path in ("layers.0.gate.weight2", "layers.0.down.max_delta", "layers.1.output.base2",
                 "layers.1.output.norm_base2"):
        folder.change(f"json-field.{path}-is-text", path, "1", "is not a number")
    for key in ("moved", "clamped", "sign_flips"):
        for label, value in {"negative": -1, "fraction": 1.5, "past-64-bits": 1 << 64, "text": "1",
                             "null": None}.items():
            folder.change(f"json-field.{key}-{label}", f"layers.0.gate.{key}", [0, value],
                          "no whole number")
    for key in ("changed", "lost", "change2", "change"):
        folder.change(f"json-field.{key}-of-text", f"layers.0.down.{key}", [0, 0, "1"],
                      "no finite number")
    folder.change("json-field.cross-of-null", "layers.1.output.cross", [None] * 6, "finite number")
    for key, count in (("gate.moved", 2), ("gate.change", 2), ("down.lost", 3), ("output.out2", 6)):
        for label, more, says in (("too-few", -1, "too few"), ("too-many", 1, "more than")):
            folder.change(f"json-field.{key}-{label}", f"layers.0.{key}", [0] * (count + more), says)
    return folder


def probe():
    """For layer 0 of hidden size 4."""
    folder = Folder("sweep/attacks/probe", extension="safetensors")
    name = "layers.0.mlp_input"

    def put(label, dtype, shape, data, says):
        folder.put(label, container({name: (dtype, shape, data)}), says)

    good = floats(1, 2, 3, 4)
    folder.put("file-too-short.empty", b"")
    folder.put("not-contiguous.cut", container({name: ("F32", (1, 4), good)})[:-1])
    folder.put("probe-missing-layer.none", container({}), "no rows for layer 0")
    folder.put("probe-missing-layer.other", container({"layers.1.mlp_input": ("F32", (1, 4), good)}),
               "no rows for layer 0")
    put("probe-shape.vector", "F32", (4,), good, "instead of [tokens, 4]")
    put("probe-shape.rank-3", "F32", (1, 1, 4), good, "instead of [tokens, 4]")
    put("probe-shape.scalar", "F32", (), floats(1), "instead of [tokens, 4]")
    put("probe-shape.other-size", "F32", (2, 2), good, "instead of [tokens, 4]")
    put("probe-shape.transposed", "F32", (4, 1), good, "instead of [tokens, 4]")
    put("probe-shape.no-token", "F32", (0, 4), b"", "instead of [tokens, 4]")
    put("probe-shape.huge-of-nothing", "F32", (1 << 62, 0), b"", "instead of [tokens, 4]")
    for dtype, size in (("I32", 4), ("F64", 8), ("U8", 1), ("BOOL", 1), ("F8_E4M3", 1), ("C64", 8)):
        put(f"probe-dtype.{dtype.lower()}", dtype, (1, 4), bytes(4 * size), "none of BF16")
    for label, value in {"nan": NAN, "infinite": INFINITY, "minus-infinite": -INFINITY}.items():
        put(f"probe-non-finite.{label}", "F32", (2, 4), good + floats(1, 2, value, 4),
            "row 1, column 2")
    put("probe-non-finite.half", "F16", (1, 4), struct.pack("<4H", 0, 0x7C00, 0, 0), "column 1")
    put("probe-non-finite.bf16", "BF16", (1, 4), struct.pack("<4H", 0x7FC1, 0, 0, 0), "column 0")
    return folder


def journal():
    """A journal of two lines without their hashes, which the test adds; .raw as they are."""
    folder = Folder("fusion/attacks/journal", extension="txt")
    run = {"schema": "contourfuse.journal/1", "parameters": {}}
    matrix = {"sigma_weight": 0.5, "sigma_delta": None, "alpha_dynamic": 0.25, "delta_is_zero": False,
              "moved": 1, "changed": 2, "lost": 3, "clamped": 4, "sign_flips": 5, "zero_weights": 6,
              "nonfinite_kept": 7, "sum_w2": 1.5, "sum_out2": 1.5, "sum_change2": 0.5,
              "sum_change": -0.5, "sum_w_out": 1.5, "max_change": 0.5, "weight_hash": "a" * 32,
              "delta_hash": ""}
    shard = {"shard": "s", "source_hash": "a" * 32, "target_hash": "b" * 32, "matrices": [matrix]}

    def put(name, says="-", run=run, shard=shard):
        lines = [line if isinstance(line, (str, bytes)) else json.dumps(line) for line in (run, shard)]
        folder.put(name, b"".join(
            (line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines), says)

    def change(name, key, value, says):
        put(name, says, shard={**shard, "matrices": [
            {k: v for k, v in {**matrix, key: value}.items() if v is not ABSENT}]})

    put("json-bom.first", run="\ufeff" + json.dumps(run))
    put("json-not-utf8.lone-byte", shard=b'{"\xff":1}')
    put("json-syntax.cut", run='{"schema":')
    put("json-syntax.empty", shard="")
    put("json-duplicate-key.schema", run='{"schema":1,"schema":1}')
    put("json-too-deep.array", shard="[" * 70 + "]" * 70)
    put("json-field.run-is-array", "the document is not an object", run=[])
    put("json-field.schema-absent", '"schema" is missing', run={})
    put("json-field.schema-is-number", '"schema" is not a string', run={"schema": 1})
    put("json-field.schema-other", '"schema" is not known', run={"schema": "contourfuse.journal/2"})
    put("json-field.parameters-absent", '"parameters" is missing', run={"schema": run["schema"]})
    put("json-field.parameters-is-number", '"parameters" is not an object', run={**run, "parameters": 0})
    put("json-field.shard-is-array", "the document is not an object", shard=[])
    for key in shard:
        put(f"json-field.{key}-absent", f'"{key}" is missing',
            shard={k: v for k, v in shard.items() if k != key})
    for key in ("shard", "source_hash", "target_hash"):
        put(f"json-field.{key}-is-number", f'"{key}" is not a string', shard={**shard, key: 1})
    put("json-field.name-too-long", "longer than 4096", shard={**shard, "shard": "s" * 4097})
    put("json-field.source_hash-too-long", "longer than 32", shard={**shard, "source_hash": "a" * 33})
    put("json-field.matrices-is-object", "is not an array", shard={**shard, "matrices": {}})
    put("json-field.matrix-is-number", "is not an object", shard={**shard, "matrices": [1]})
    for key, value in matrix.items():
        change(f"json-field.{key}-absent", key, ABSENT, f'"matrices[0].{key}" is missing')
        wrong = 1 if isinstance(value, (str, bool)) else "1"
        change(f"json-field.{key}-wrong", key, wrong, f'"matrices[0].{key}"')
        if isinstance(value, int) and not isinstance(value, bool):
            change(f"json-field.{key}-negative", key, -1, "is not a whole number")
    change("json-field.alpha-past-32-bits", "alpha_dynamic", 1e39, "is no 32-bit number")
    change("json-field.hash-too-long", "weight_hash", "a" * 33, "longer than 32")
    return folder


def undo_file():
    """Undo files whose header has no right hash; the test seals them, but for .raw."""
    folder = Folder("fusion/attacks/undo_file", extension="safetensors")
    digits = "0123456789abcdef" * 2
    good = {"schema": "contourfuse.undo/1", "model": "/m", "command": ["contourfuse", "fuse"],
            "run": {}, "shards": [{"file": "a.safetensors", "bytes": 100, "header_bytes": 10,
                                   "outside_xxh3_128": digits},
                                  {"file": "b.safetensors", "bytes": 50, "header_bytes": 10,
                                   "outside_xxh3_128": digits}],
            "ranges": [{"tensor": "x", "shard": 0, "offset": 10, "bytes": 4, "xxh3_128": digits},
                       {"tensor": "y", "shard": 1, "offset": 20, "bytes": 2, "xxh3_128": digits}],
            "files": [{"name": "README.md", "existed": True, "bytes": 3, "xxh3_128": digits},
                      {"name": "contourfuse.json", "existed": False}]}
    tensors = {"x": ("BF16", (2,), bytes(4)), "y": ("U8", (2,), bytes(2)),
               "file:README.md": ("U8", (3,), b"abc")}

    def packed(document, tensors=tensors, hash_key="header_xxh3_128"):
        text = document if isinstance(document, str) else json.dumps(document)
        data = container(tensors, {"contourfuse.undo": text, hash_key: "0" * 32})
        # As it is written: without a space, or the hash has no place.
        header = data[8:8 + struct.unpack("<Q", data[:8])[0]]
        small = json.dumps(json.loads(header), separators=(",", ":")).encode()
        return struct.pack("<Q", len(small)) + small + data[8 + len(header):]

    def change(name, path, value, says="-"):
        document = copy.deepcopy(good)
        *outer, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        place = document
        for key in outer:
            place = place[key]
        if value is ABSENT:
            del place[last]
        else:
            place[last] = value
        folder.put(name, packed(document), says)

    def absent(*paths):
        for path in paths:
            change(f"json-field.{path}-absent", path, ABSENT, quoted(path) + " is missing")

    folder.put("header-past-end.cut", packed(good)[:50])
    folder.put("not-an-undo-file.no-record", container({"x": ("U8", (1,), b"x")}, {"format": "pt"}))
    folder.put("not-an-undo-file.no-hash", packed(good, hash_key="hash"))
    folder.put("not-an-undo-file.other-schema", packed({**good, "schema": "contourfuse.undo/2"}))
    folder.put("undo-damaged.hash", packed(good), "hash does not match", "raw")
    folder.put("json-syntax.record", packed("{"))
    folder.put("json-duplicate-key.record", packed('{"schema":1,"schema":1}'))
    folder.put("json-too-deep.record", packed("[" * 70 + "]" * 70))
    folder.put("json-field.record-is-array", packed([]), "not an object")
    folder.put("undo-tensor.of-nobody", packed(good, {**tensors, "z": ("U8", (1,), b"z")}))
    absent(*good, *(f"shards.0.{key}" for key in good["shards"][0]),
           *(f"ranges.1.{key}" for key in good["ranges"][0]),
           *(f"files.0.{key}" for key in good["files"][0]))
    for path in ("more", "shards.0.more", "ranges.0.more", "files.1.more"):
        change(f"json-unknown-key.{path}", path, 1, "more")
    for path in ("model", "shards.0.file", "shards.0.outside_xxh3_128", "ranges.0.tensor",
                 "ranges.0.xxh3_128", "files.0.name"):
        change(f"json-field.{path}-is-number", path, 1, quoted(path) + " is not a string")
    for path in ("shards", "ranges", "files", "command"):
        change(f"json-field.{path}-is-object", path, {}, quoted(path) + " is not an array")
    change("json-field.command-of-numbers", "command", [1], "no string")
    change("json-field.no-shards", "shards", [], "is empty")
    change("json-field.no-ranges", "ranges", [], "is empty")
    for label, name in {"parent": "../a.safetensors", "absolute": "/etc/passwd", "dot": ".",
                        "dots": "..", "empty": "", "nul": "a\0b", "folder": "a/b"}.items():
        change(f"json-field.shard-name-{label}", "shards.0.file", name, "no plain file name")
    change("json-field.shard-twice", "shards.1.file", "a.safetensors", "listed twice")
    change("json-field.shard-past-63-bits", "shards.0.bytes", 1 << 63, "not between")
    change("json-field.header-past-its-file", "shards.0.header_bytes", 101, "not between")
    change("json-field.range-of-no-shard", "ranges.1.shard", 2, "not between")
    change("json-field.range-in-header", "ranges.0.offset", 9, "not between")
    change("json-field.range-past-end", "ranges.1.offset", 49, "not between")
    change("json-field.range-from-past-end", "ranges.1.offset", 51, "not between")
    change("json-field.range-at-2-64", "ranges.1.offset", (1 << 64) - 1, "not between")
    change("json-field.ranges-overlap", "ranges.1", {**good["ranges"][1], "shard": 0, "offset": 13},
           "overlaps")
    change("json-field.ranges-in-other-order", "ranges", good["ranges"][::-1], "comes before")
    change("json-field.range-of-other-size", "ranges.0.bytes", 3, "another size")
    change("json-field.range-of-no-tensor", "ranges.0.tensor", "w", "names no tensor")
    change("json-field.tensor-twice", "ranges.1.tensor", "x", "named before")
    for label, value in {"capitals": digits.upper(), "short": digits[1:], "other": "g" * 32}.items():
        change(f"json-field.hash-{label}", "ranges.0.xxh3_128", value, "32 hexadecimal digits")
    change("json-field.hash-long", "ranges.0.xxh3_128", digits + "0", "longer than 32")
    for label, name in {"other": "config.json", "parent": "../README.md"}.items():
        change(f"json-field.file-{label}", "files.1.name", name, "no file that a fuse writes")
    change("json-field.file-twice", "files.1.name", "README.md", "listed twice")
    change("json-field.three-files", "files", [1, 2, 3], "more than 2")
    change("json-field.file-of-other-size", "files.0.bytes", 4, "another size")
    change("json-field.file-without-text", "files.1",
           {"name": "contourfuse.json", "existed": True, "bytes": 1, "xxh3_128": digits}, "no tensor")
    change("json-field.existed-is-number", "files.0.existed", 1, "neither true nor false")
    return folder


if __name__ == "__main__":
    for parser in (shard_index, config, families, recipe, bank, plan, part, probe, journal,
                   undo_file):
        parser().write()
