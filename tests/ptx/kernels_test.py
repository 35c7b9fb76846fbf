"""Every kernel as the compiler left it, on two architectures, against tests/oracle, bit for bit."""

import itertools
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xxhash

from oracle import generator
from oracle.exact import BF16, F16, F32, widen
from oracle.numerics import BadInput, Settings, block_dot, block_sum, fuse_matrix

from . import layouts, module
from .error import PtxError
from .instructions_float import is_contractible
from .matrices import deltas, generator_tables, spoil, weights
from .pipeline import BLOCK, FOLD_RUN, FOLD_THREADS, Device

SOURCE = Path(os.environ.get("CONTOURFUSE_SOURCE_DIR") or Path(__file__).resolve().parents[2])
NAME = "model.layers.3.mlp.down_proj.weight"
HASH = xxhash.xxh3_64_intdigest(NAME.encode())
DTYPES = (BF16, F16, F32)
ARCHITECTURES = ("compute_80", "compute_90")

pytestmark = pytest.mark.skipif(
    module.nvcc() is None, reason="nvcc is in neither PATH nor /usr/local/cuda/bin"
)


def architectures():
    """The architectures, those whose PTX is the same but for the .target line as one: "a+b"."""
    if module.nvcc() is None:
        return ["+".join(ARCHITECTURES)]
    groups = {}
    with ThreadPoolExecutor() as pool:
        texts = pool.map(lambda a: module.compile_ptx(*compilation(a)), ARCHITECTURES)
        for architecture, text in zip(ARCHITECTURES, texts):
            groups.setdefault(re.sub(r"\.target sm_\d+", "", text), []).append(architecture)
    return ["+".join(group) for group in groups.values()]


def compilation(architecture):
    folder = Path(__file__).parent
    return str(folder / "kernels.cu"), architecture, (str(SOURCE / "include"), str(SOURCE / "cuda"))


@pytest.fixture(scope="module", params=architectures())
def kernels(request):
    """The PTX of all kernels."""
    return module.Module.compile(*compilation(request.param.split("+")[0]))


def bits(value):
    return np.ascontiguousarray(value).tobytes()


def first_bad(base, delta, role, settings):
    """The index that the program would name, 2^64 - 1 if there is none."""
    strict = Settings(
        settings.alpha,
        settings.gamma_cap,
        settings.variance_norm,
        settings.rounding,
        settings.rounding_seed,
    )
    try:
        fuse_matrix(base, delta, role, NAME, strict)
    except BadInput as refusal:
        return int(re.search(r"element (\d+)", str(refusal))[1])
    return 2**64 - 1


def check_fused(device, base, delta, role, settings, offsets=(0, 0)):
    fused = device.fuse(base, delta, role, settings, HASH, offsets)
    want, record = fuse_matrix(base, delta, role, NAME, settings)
    rows, cols = delta.shape
    assert bits(fused.weight) == bits(want[:rows, :cols])
    for name in layouts.RECORD_COUNTS:
        assert fused.record[name] == record[name], name
    sums = {
        "weight2": "w2",
        "out2": "out2",
        "change2": "change2",
        "change": "change",
        "weight_out": "w_out",
    }
    for name, key in sums.items():
        assert bits(fused.record[name]) == bits(np.float64(record[f"sum_{key}"])), name
    assert bits(fused.record["max_change"]) == bits(np.float64(record["max_change"]))
    assert fused.record["bad_count"] == record["nonfinite_kept"]
    assert fused.record["bad_first"] == first_bad(base, delta, role, settings)
    if "skipped" in record:
        assert fused.scaling["state"] == layouts.ZERO_DELTA
    else:
        assert fused.scaling["state"] == layouts.SCALED
        parameter = record["alpha_dynamic"] if role == "down" else settings.gamma_cap
        assert bits(fused.scaling["parameter"]) == bits(np.float32(parameter))
        for name in ("sigma_weight", "sigma_delta"):
            assert bits(fused.scaling[name]) == bits(np.float64(record.get(name) or 0.0)), name
    return fused


# Numbered, so that the cases take turns at tails, starts, coverage and norms.
SCF_CASES = list(
    enumerate(itertools.product(DTYPES, DTYPES, ("down", "gate"), ("nearest", "stochastic")))
)


@pytest.mark.parametrize(
    "number, case", SCF_CASES, ids=lambda c: "-".join(map(str, c)) if isinstance(c, tuple) else None
)
def test_scf(kernels, number, case):
    weight_type, delta_type, role, rounding = case
    rng = np.random.default_rng(number)
    # Two whole blocks and a tail of 0 … 15 elements; or three blocks of a part of the matrix.
    partial = number % 3 == 2
    covered = (7, 2341 + number) if partial else (1, 2 * BLOCK + number % 16)
    shape = (covered[0] + 1, covered[1] + number % 5 + 1) if partial else covered
    base, delta = weights(rng, shape, weight_type), deltas(rng, covered, delta_type)
    if number % 4:
        spoil(rng, base[: covered[0], : covered[1]], 9)
        spoil(rng, delta, 6)
    if number % 4 == 1:
        base[0, :3] = 60000  # f16 overflows; elsewhere it would drown the last bits of all sums
    settings = Settings(
        alpha=(0.7, 300.0)[number // 4 % 2],
        gamma_cap=float(np.float32(1.3)),
        variance_norm=("match", "unit", "none")[number // 2 % 3],
        rounding=rounding,
        rounding_seed=0x0123456789ABCDEF + number,
        nonfinite="keep",
    )
    offsets = ((0, 0), (1, 0), (0, 3), (8, 5))[number // 4 % 4]
    check_fused(Device(kernels), base, delta, role, settings, offsets)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 255, 257])
def test_scf_of_few_elements(kernels, count):
    rng = np.random.default_rng(count)
    base, delta = weights(rng, (1, count), BF16), deltas(rng, (1, count), F32)
    delta[0, 0] = 0.5
    settings = Settings(
        alpha=0.3, variance_norm="none", nonfinite="keep", rounding="stochastic", rounding_seed=5
    )
    check_fused(Device(kernels), base, delta, "down", settings, (count % 8, count % 4))


def test_squares_of_changes_are_added_by_one_rounding(kernels):
    """Elements of one lane alone, whose sum no other lane drowns."""
    rng = np.random.default_rng(2)  # one whose last bit tells
    base, delta = np.zeros((1, 4096), np.float32), deltas(rng, (1, 4096), F32)
    base[0, 5::256] = rng.standard_normal(16)
    settings = Settings(alpha=40.0, variance_norm="none", nonfinite="keep")
    fused = check_fused(Device(kernels), base, delta, "down", settings)
    change = fused.weight.astype(np.float64) - base
    assert fused.record["change2"] != block_sum(change * change)


@pytest.mark.parametrize("seed", [1, 2])
def test_scf_in_random_order(kernels, seed):
    rng = np.random.default_rng(seed)
    base, delta = weights(rng, (5, 1700), F16), deltas(rng, (4, 1650), BF16)
    spoil(rng, delta, 5)
    settings = Settings(alpha=0.3, rounding="stochastic", rounding_seed=seed, nonfinite="keep")
    check_fused(Device(kernels, seed), base, delta, "down", settings, (seed, 1))


@pytest.mark.parametrize("role", ["down", "gate"])
def test_a_zero_delta_leaves_the_bytes(kernels, role):
    rng = np.random.default_rng(4)
    base, delta = weights(rng, (3, 900), BF16), np.zeros((3, 900), np.float16)
    delta[1, 3] = -0.0
    base[2, 5] = np.inf
    base[1, 3] = -0.0  # -0 + -0 * -0 would be +0
    fused = check_fused(Device(kernels), base, delta, role, Settings(nonfinite="keep"))
    assert bits(fused.weight) == bits(base)


def test_tiles_give_what_the_whole_gives(kernels):
    """A matrix may pass through in parts that begin with a block."""
    rng = np.random.default_rng(6)
    base, delta = weights(rng, (4, 5000), BF16), deltas(rng, (4, 4500), BF16)
    spoil(rng, delta[2:], 3)
    settings = Settings(
        alpha=0.3, variance_norm="none", rounding="stochastic", rounding_seed=77, nonfinite="keep"
    )
    whole = check_fused(Device(kernels), base, delta, "down", settings)
    device = Device(kernels)
    scaling = device.memory.upload(np.array(whole.scaling))
    key = layouts.make(layouts.ROUNDING_KEY, seed=77, tensor_hash=HASH)
    records, fused = [], []
    flat_base, flat_delta = np.ascontiguousarray(base[:, :4500]).reshape(-1), delta.reshape(-1)
    for first, end in ((0, BLOCK), (BLOCK, delta.size)):
        weight = device.memory.upload(flat_base[first:end])
        steps = device.memory.upload(flat_delta[first:end])
        out = device.scf(
            weight,
            steps,
            (BF16, BF16),
            "down",
            "stochastic",
            first,
            end - first,
            (4500, 5000),
            scaling,
            key,
        )
        fused.append(device.memory.download(weight, BF16, end - first))
        records.append(device.memory.download(out, layouts.RECORD, -(-(end - first) // BLOCK)))
    assert bits(np.concatenate(fused)) == bits(whole.weight)
    record = device.fold(device.memory.upload(np.concatenate(records)), layouts.RECORD, "Record", 3)
    assert bits(device.memory.download(record, layouts.RECORD, 1)[0]) == bits(whole.record)


@pytest.mark.parametrize("tail", range(16))
def test_moments(kernels, tail):
    dtype = DTYPES[tail % 3]
    rng = np.random.default_rng(tail)
    count = BLOCK * (tail % 3) + (tail or BLOCK)
    elements = weights(rng, (count,), dtype)
    spoil(rng, elements, tail % 4)
    device = Device(kernels, seed=None if tail < 8 else tail)
    address = device.memory.upload(elements, (tail * 3 % 16) * dtype.itemsize)
    got = device.memory.download(device.moments(address, dtype, count), layouts.MOMENTS, 1)[0]
    values = widen(elements).astype(np.float64)
    finite = values[np.isfinite(values)]
    kept = np.where(np.isfinite(values), values, 0.0)
    assert got["finite"] == finite.size
    assert bits(got["sum"]) == bits(np.float64(block_sum(kept)))
    assert bits(got["sum_squares"]) == bits(np.float64(block_dot(kept, kept)))
    if finite.size:
        assert got["smallest"] == finite.min() and got["largest"] == finite.max()


def fold_pairwise(values):
    while len(values) > 1:
        folded = [a + b for a, b in zip(values[::2], values[1::2])]
        values = folded + (values[-1:] if len(values) % 2 else [])
    return values[0]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 63, 65, FOLD_RUN * FOLD_THREADS + 11])
def test_folds(kernels, count):
    rng = np.random.default_rng(count)
    device = Device(kernels)
    moments, records = np.zeros(count, layouts.MOMENTS), np.zeros(count, layouts.RECORD)
    for array in (moments, records):
        for name in array.dtype.names:
            wide = array.dtype[name].kind == "f"
            array[name] = (
                rng.standard_normal(count) * 10.0 ** rng.integers(-9, 9, count)
                if wide
                else rng.integers(0, 1 << 40, count)
            )
    moments["finite"][rng.random(count) < 0.3] = 0
    for array, name in ((moments, "BlockMoments"), (records, "Record")):
        folded = device.fold(device.memory.upload(array), array.dtype, name, count)
        got = device.memory.download(folded, array.dtype, 1)[0]
        for field in array.dtype.names:
            column = array[field].tolist()
            if field in ("smallest", "largest"):
                seen = array[field][moments["finite"] > 0]
                if seen.size:
                    assert got[field] == (seen.min() if field == "smallest" else seen.max())
            elif field in ("max_change", "bad_first"):
                assert got[field] == (max(column) if field == "max_change" else min(column))
            else:
                assert got[field] == fold_pairwise(column), field


def test_settling_without_spread(kernels):
    rule = {"alpha": 0.5, "plain": np.float32(0.25), "covered": 10}
    spread = {"sum": 3.0, "sum_squares": 2.0, "finite": 10, "smallest": -1, "largest": 1}
    same = spread | {"sum": 5.0, "sum_squares": 2.5, "smallest": 0.5, "largest": 0.5}
    none = {"finite": 0}
    expected = [
        (layouts.SIGMA_RATIO, spread, same, layouts.NO_SPREAD),
        (layouts.INVERSE_SIGMA, spread, same, layouts.NO_SPREAD),
        (
            layouts.INVERSE_SIGMA,
            spread,
            spread | {"sum": 0.0, "sum_squares": 1e-90},
            layouts.SMALL_SPREAD,
        ),
        (layouts.SIGMA_RATIO, none, spread, layouts.SCALED),
        (layouts.SIGMA_RATIO, spread, none, layouts.SCALED),
        (
            layouts.SIGMA_RATIO,
            spread,
            spread | {"smallest": 0, "largest": -0.0},
            layouts.ZERO_DELTA,
        ),
        (layouts.PLAIN, spread, same, layouts.SCALED),
    ]
    for number, weight, delta, state in expected:
        device = Device(kernels)
        addresses = [
            device.memory.upload(np.array(layouts.make(layouts.MOMENTS, **m)))
            for m in (weight, delta)
        ]
        out = device.settle(*addresses, layouts.make(layouts.SCALING_RULE, rule=number, **rule))
        got = device.memory.download(out, layouts.SCALING, 1)[0]
        assert got["state"] == state, (number, weight, delta, got)
        if number == layouts.PLAIN:
            assert got["parameter"] == np.float32(0.25)


# More cells than one basis has, a part of the neurons left over, and lengths that no eight divides.
@pytest.mark.parametrize("hidden, width, gains", [(24, 347, 4), (5, 61, 1)])
@pytest.mark.parametrize("role", ["gate", "up", "down"])
def test_generated_deltas(kernels, role, hidden, width, gains):
    rng = np.random.default_rng(hidden)
    sources = [
        {
            "kind": kind,
            "gains": [2.0 ** (p - 2) for p in range(gains)],
            "coefficients": (
                rng.integers(1, 256, gains) * rng.choice([-1, 1], gains) / 64.0
            ).tolist(),
        }
        for kind in ("both", "sliding", "global")
    ]
    layer = {"layer": 2, "kind": "sliding", "hidden_size": hidden, "intermediate_size": width}
    layer["cells"] = width // (2 * gains)
    recipe = {
        "seed": 99,
        "gains_per_cell": gains,
        "gate_scale": 0.75,
        "down_scale": 1.5,
        "balance": True,
    }
    recipe["bank"] = {"sources": sources}
    want = generator.generate_layer(recipe, layer)[role].reshape(-1)
    device = Device(kernels)
    table = generator_tables(device.memory, recipe, layer, role)
    name = "generate_outputs_kernel" if role == "down" else "generate_frames_kernel"
    for first, count, offset in (
        (0, want.size, 0),
        (want.size // 3, want.size // 2 + 5, 2),
        (want.size - 3, 3, 0),
    ):
        out = device.memory.allocate(2 * count, offset)
        device.run(
            name, -(-count // (8 * 256)), 256, table, np.uint64(first), np.uint64(count), out
        )
        assert bits(device.memory.download(out, np.uint16, count)) == bits(
            want[first : first + count]
        )


def test_what_the_compiler_made(kernels):
    """No local memory, nothing that the assembler may fuse, 16-byte accesses in the hot kernels."""
    for short, name in kernels.names.items():
        kernel = kernels.kernels[name]
        assert not kernel.uses_local_memory(), short
        assert not [i.text for i in kernel.instructions if is_contractible(i)], short
        if short.startswith(("scf", "moments")):
            wide = [
                i for i in kernel.instructions if i.name in ("ld", "st") and "v4" in i.modifiers
            ]
            assert {i.name for i in wide} == (
                {"ld", "st"} if short.startswith("scf") else {"ld"}
            ), short


def test_an_overrun_would_be_seen(kernels):
    """The checks are at work on these very kernels."""
    device = Device(kernels)
    address = device.memory.upload(np.zeros(100, np.uint16))
    with pytest.raises(PtxError, match="out of bounds of global memory"):
        device.moments(address, BF16, 101)
