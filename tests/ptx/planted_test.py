"""Kernels with one bug each are reported, and their correct twins pass."""

from pathlib import Path

import numpy as np
import pytest

from oracle.exact import fma32

from .error import PtxError
from .memory import Memory
from .module import FLAGS, Module, nvcc

pytestmark = pytest.mark.skipif(
    nvcc() is None, reason="nvcc is in neither PATH nor /usr/local/cuda/bin"
)

SEEDS = [None, 1, 2]
INTS = np.arange(64, dtype=np.int32) * 7 - 100


def planted(name, flags=FLAGS):
    return Module.compile(
        Path(__file__).parent / "planted" / f"{name}.cu", "compute_80", flags=flags
    )


def launch(
    source, kernel, grid, block, inputs, extra=(), outputs=64, seed=None, dtype=np.int32, **options
):
    """The output of a kernel of (inputs…, extra…, output)."""
    memory = Memory()
    arguments = [memory.upload(array, offset) for array, offset in inputs]
    out = memory.upload(np.zeros(outputs, dtype))
    planted(source).run(
        memory, kernel, grid, block, [*arguments, *extra, out], seed=seed, **options
    )
    return memory.download(out, dtype, outputs)


def reported(message, *arguments, **options):
    """The error that a launch ends with, which names the kernel, a line and the instruction."""
    with pytest.raises(PtxError, match=message) as caught:
        launch(*arguments, **options)
    assert (
        " line " in str(caught.value)
        and "block" in str(caught.value)
        and "thread" in str(caught.value)
    )
    return str(caught.value)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kernel, threads", [("reverse_block", 64), ("reverse_warp", 32)])
def test_missing_barrier(kernel, threads, seed):
    inputs = [(INTS[:threads], 0)]
    out = launch(
        "missing_barrier", f"{kernel}_kernel<false>", 1, threads, inputs, outputs=threads, seed=seed
    )
    assert np.array_equal(out, INTS[:threads][::-1])
    reported(
        "race in shared memory: read after write|never written",
        "missing_barrier", f"{kernel}_kernel<true>", 1, threads, inputs, outputs=threads, seed=seed,
    )  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_missing_second_barrier(seed):
    out = launch("missing_barrier", "rotate_twice_kernel<false>", 1, 64, [(INTS, 0)], seed=seed)
    assert np.array_equal(out, np.roll(INTS, -2))
    message = "race in shared memory: (write after read|read after write)"
    reported(message, "missing_barrier", "rotate_twice_kernel<true>", 1, 64, [(INTS, 0)], seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_race_in_global_memory(seed):
    values = np.arange(128, dtype=np.uint32)
    run = ("global_race", "add_up_kernel<false>", 2, 64, [(values, 0)])
    assert launch(*run, outputs=1, dtype=np.uint32, seed=seed)[0] == values.sum()
    run = ("global_race", "add_up_kernel<true>", 2, 64, [(values, 0)])
    reported("race in global memory", *run, outputs=1, dtype=np.uint32, seed=seed)


def test_two_threads_write_one_place():
    values = np.arange(128, dtype=np.uint32)
    out = launch("global_race", "scatter_kernel<false>", 2, 64, [(values, 0)], outputs=128)
    assert np.array_equal(out, values)
    run = ("global_race", "scatter_kernel<true>", 2, 64, [(values, 0)])
    reported("race in global memory: several threads write at once", *run, outputs=128)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_barrier_orders_no_other_block(seed):
    values = np.arange(128, dtype=np.uint32)
    out = launch(
        "global_race", "neighbour_kernel<false>", 2, 64, [(values, 0)], outputs=128, seed=seed
    )
    assert out[1] == 1 and out[65] == 129 and out[64] == 64
    run = ("global_race", "neighbour_kernel<true>", 2, 64, [(values, 0)])
    reported("race in global memory: (read|write) after (write|read)", *run, outputs=128, seed=seed)


def test_overrun_of_global_memory():
    values = np.arange(50, dtype=np.float32)
    run = ("overrun", "copy_kernel<false>", 1, 64, [(values, 0)], [50])
    assert np.array_equal(launch(*run, outputs=50, dtype=np.float32), values)
    run = ("overrun", "copy_kernel<true>", 1, 64, [(values, 0)], [50])
    message = reported(
        "4-byte access out of bounds of global memory", *run, outputs=50, dtype=np.float32
    )
    assert "byte 200 of an allocation of 200" in message and "thread 50" in message


def test_overrun_of_shared_memory():
    values = np.arange(64, dtype=np.float32)
    out = launch("overrun", "shift_kernel<false>", 1, 64, [(values, 0)], [64], dtype=np.float32)
    assert np.array_equal(out, np.roll(values, -1))
    run = ("overrun", "shift_kernel<true>", 1, 64, [(values, 0)], [64])
    assert "thread 63" in reported("out of bounds of shared memory", *run, dtype=np.float32)


def test_overrun_of_dynamic_shared_memory():
    values = np.arange(64, dtype=np.float32)
    run = ("overrun", "shift_dynamic_kernel<false>", 1, 64, [(values, 0)], [64])
    out = launch(*run, dtype=np.float32, dynamic_shared=256)
    assert np.array_equal(out, values[np.arange(64) ^ 1])
    reported("out of bounds of shared memory", *run, dtype=np.float32, dynamic_shared=252)
    run = ("overrun", "shift_dynamic_kernel<true>", 1, 64, [(values, 0)], [64])
    reported("out of bounds of shared memory", *run, dtype=np.float32, dynamic_shared=256)


def test_misalignment():
    for offset in (0, 4, 12):
        assert np.array_equal(
            launch("misalignment", "negate_kernel<false>", 1, 16, [(INTS, offset)]), -INTS
        )
    assert np.array_equal(launch("misalignment", "negate_kernel<true>", 1, 16, [(INTS, 16)]), -INTS)
    reported(
        "misaligned 16-byte access to global memory",
        "misalignment",
        "negate_kernel<true>",
        1,
        16,
        [(INTS, 4)],
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "kernel, message",
    [
        ("early_exit", "14 threads of the block have exited before this barrier"),
        ("two_barriers", "threads of one block wait at different barriers"),
        ("half_shuffle", "wait here for others that never come"),
    ],
)
def test_barriers_that_cannot_be_met(kernel, message, seed):
    count = {"early_exit": 50, "two_barriers": 64, "half_shuffle": 16}[kernel]
    expected = {
        "early_exit": np.append(INTS[:50][::-1], np.zeros(14, np.int32)),
        "two_barriers": INTS[::-1] * np.where(np.arange(64) < 32, 1, -1),
        "half_shuffle": INTS + INTS[np.arange(64) ^ 16],
    }[kernel]
    run = ("barriers", f"{kernel}_kernel<false>", 1, 64, [(INTS, 0)], [count])
    assert np.array_equal(launch(*run, seed=seed), expected)
    run = ("barriers", f"{kernel}_kernel<true>", 1, 64, [(INTS, 0)], [count])
    reported(message, *run, seed=seed)


def test_uninitialised_reads():
    run = ("uninitialised", "mirror_kernel<false>", 1, 64)
    assert np.array_equal(launch(*run, [(INTS, 0)]), INTS[::-1])
    reported(
        "read of shared memory that was never written",
        "uninitialised",
        "mirror_kernel<true>",
        1,
        64,
        [(INTS, 0)],
    )
    memory = Memory()
    blank, out = memory.allocate(256), memory.allocate(256)
    with pytest.raises(PtxError, match="read of global memory that was never written"):
        planted("uninitialised").run(memory, "mirror_kernel<false>", 1, 64, [blank, out])
    with pytest.raises(PtxError, match="download: 256 bytes were never written"):
        memory.download(out, np.int32, 64)


def test_memory_promised_to_be_read_only():
    for kernel in ("double_kernel<false>", "double_kernel<true>"):
        out = launch("in_place", kernel, 1, 64, [(INTS.astype(np.float32), 0)], dtype=np.float32)
        assert np.array_equal(out, 2 * INTS)
    memory = Memory()
    array = memory.upload(INTS.astype(np.float32))
    planted("in_place").run(memory, "double_kernel<false>", 1, 64, [array, array])
    assert np.array_equal(memory.download(array, np.float32, 64), 2 * INTS)
    with pytest.raises(PtxError, match="write after ld.nc, which promises read-only memory"):
        planted("in_place").run(memory, "double_kernel<true>", 1, 64, [array, array])


def test_a_fused_multiply_add_too_many():
    rng = np.random.default_rng(3)
    weight, delta = (rng.standard_normal(1024).astype(np.float32) for _ in range(2))
    alpha = np.float32(0.3)
    t = alpha * delta
    rounded_twice, rounded_once = weight + t * weight, fma32(t, weight, weight)
    assert (rounded_twice != rounded_once).sum() > 100

    def run(fmad, **options):
        memory = Memory()
        module = planted("contraction", ("-std=c++20", "-O3", f"-fmad={fmad}"))
        arguments = [memory.upload(weight), memory.upload(delta), alpha, memory.allocate(4096)]
        module.run(memory, "contour_kernel", 4, 256, arguments, **options)
        return memory.download(arguments[-1], np.float32, 1024)

    assert run("false").tobytes() == rounded_twice.tobytes()
    assert run("true", may_contract=True).tobytes() == rounded_once.tobytes()
    with pytest.raises(PtxError, match="may be contracted; compile with -fmad=false"):
        run("true")


@pytest.mark.parametrize("seed", SEEDS)
def test_warp_operations(seed):
    rng = np.random.default_rng(8)
    values = rng.integers(0, 2**32, 96, dtype=np.uint32)
    values[:32] >>= 8
    out = launch(
        "warp_operations",
        "warp_kernel",
        1,
        96,
        [(values, 0)],
        outputs=960,
        dtype=np.uint32,
        seed=seed,
    )
    rows = out.reshape(3, 32, 10)
    for warp, row in zip(values.reshape(3, 32), rows):
        lane = np.arange(32)
        ballot = sum(1 << int(i) for i in lane if warp[i] % 3 == 0)
        assert np.array_equal(row[:, 0], np.full(32, warp[5]))
        assert np.array_equal(row[:, 1], warp[np.where(lane < 3, lane, lane - 3)])
        assert np.array_equal(row[:, 2], warp[np.where(lane > 24, lane, lane + 7)])
        assert np.array_equal(row[:, 3], warp[lane ^ 9])
        assert np.array_equal(row[:, 4], warp[np.where(lane % 8 > 5, lane, lane + 2)])
        assert np.array_equal(row[:, 5], np.full(32, ballot))
        assert set(row[:, 6].tolist()) == {
            int((warp % 64 == 0).any()) + 2 * int((warp < 2**31).all())
        }
        assert np.array_equal(row[:, 7], np.where(lane % 2 == 1, 0xAAAAAAAA, 0)) or seed is not None
        assert np.array_equal(row[:, 8], np.where(lane % 2 == 1, warp[lane ^ 2], 0))
        for value, got in zip(warp.tolist(), row[:, 9].tolist()):
            cases = [
                value * 3,
                value ^ 77,
                value // 5,
                value << 3,
                value.bit_count(),
                32 - value.bit_length(),
            ]
            cases += [int(f"{value:032b}"[::-1], 2), 1000]
            assert got == cases[value % 8] % 2**32


def test_a_launch_is_checked():
    with pytest.raises(PtxError, match="takes 2 arguments, not 1"):
        planted("in_place").run(Memory(), "double_kernel<false>", 1, 64, [0])
    with pytest.raises(PtxError, match="has 8 bytes, the argument 4"):
        planted("in_place").run(Memory(), "double_kernel<false>", 1, 64, [np.int32(0), 0])
    with pytest.raises(PtxError, match="2048 threads in a block"):
        planted("in_place").run(Memory(), "double_kernel<false>", 1, 2048, [0, 0])
    with pytest.raises(PtxError, match="2 kernels are called double_kernel"):
        planted("in_place").run(Memory(), "double_kernel", 1, 64, [0, 0])
    with pytest.raises(PtxError, match="nvcc failed"):
        planted("no_such_file")
