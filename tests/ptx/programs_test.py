"""Short programs in PTX: memory, atomics, control flow, and what is refused."""

import numpy as np
import pytest

from .error import PtxError
from .memory import Memory
from .snippet import module_of


def run(body, threads=32, seed=None, words=64, declarations="", initial=None):
    """The words of an output array that p0 points to."""
    memory = Memory()
    out = memory.upload(np.zeros(words, np.uint32) if initial is None else initial)
    head = ".reg .b64 %out, %at; .reg .b32 %t, %x, %y, %z; .reg .b16 %h<4>;"
    head += ".reg .pred %p, %q; .reg .f32 %f; .reg .f64 %d;"
    head += "ld.param.u64 %out, [p0]; mov.u32 %t, %tid.x; mad.wide.u32 %at, %t, 4, %out;\n"
    module_of(head + body + "\nret;", 1, declarations).run(
        memory, "k", 1, threads, [out], seed=seed
    )
    return memory.download(out, np.uint32, words)


@pytest.mark.parametrize("seed", [None, 5])
def test_atomics(seed):
    initial = np.full(64, 100, np.uint32)
    operations = {
        "add.u32": lambda old: old + sum(range(32)), "max.u32": lambda old: old,
        "min.u32": lambda old: 0, "and.b32": lambda old: 0, "or.b32": lambda old: old | 31,
        "xor.b32": lambda old: old,
    }  # fmt: skip
    for name, result in operations.items():
        assert run(f"red.global.{name} [%out], %t;", seed=seed, initial=initial)[0] == result(
            100
        ), name
    assert run("red.global.inc.u32 [%out], 40;", seed=seed)[0] == 32
    assert run("red.global.inc.u32 [%out], 9;", seed=seed)[0] == 2
    # Each old value is given once.
    old = run("atom.global.add.u32 %x, [%out], 1; st.global.u32 [%at+128], %x;", seed=seed)
    assert sorted(old[32:].tolist()) == list(range(32)) and old[0] == 32
    assert (old[32:].tolist() == list(range(32))) == (seed is None)
    old = run("atom.global.exch.b32 %x, [%out], %t; st.global.u32 [%at+128], %x;", seed=seed)
    assert sorted([*old[32:].tolist(), int(old[0])]) == [0, *range(32)]
    old = run(
        "add.u32 %y, %t, 1; atom.global.cas.b32 %x, [%out], 0, %y; st.global.u32 [%at+128], %x;",
        seed=seed,
    )
    assert old[0] != 0 and (old[32:] == 0).sum() == 1
    sums = run("cvt.rn.f32.u32 %f, %t; red.global.add.f32 [%out], %f;", seed=seed)
    assert sums.view(np.float32)[0] == sum(range(32))


def test_a_plain_read_races_with_an_atomic():
    with pytest.raises(PtxError, match="race in global memory: read after atomic"):
        run("red.global.add.u32 [%out], 1; ld.global.u32 %x, [%out];")


def test_vectors_and_packed_registers():
    text = "mov.b32 {%h0, %h1}, %t; mov.u16 %h2, 7; mov.b32 %x, {%h2, %h0}; mov.u32 %y, 9;"
    out = run(
        text + "mul.wide.u32 %at, %t, 8; add.s64 %at, %out, %at;"
        "st.global.v2.u32 [%at], {%x, %y};"
    )
    assert np.array_equal(out[::2], 7 + (np.arange(32) << 16)) and (out[1::2] == 9).all()
    text = (
        "mul.wide.u32 %at, %t, 8; add.s64 %at, %out, %at;"
        "ld.global.v4.u16 {%h0, _, %h2, %h3}, [%at]; mov.b32 %x, {%h3, %h0};"
    )
    words = np.arange(64, dtype=np.uint32) * 70000
    out = run(f"{text} st.global.u32 [%at], %x;", initial=words)
    assert np.array_equal(out[::2], (words[::2] & 0xFFFF) << 16 | words[1::2] >> 16)


def test_variables():
    declared = ".global .align 4 .u32 table[4] = {10, 20, 0x1E, 40};"
    declared += ".const .align 8 .f64 half = 0d3FE0000000000000;"
    body = (
        "ld.global.u32 %x, [table+8]; ld.const.f64 %d, [half]; cvt.rn.f32.f64 %f, %d;"
        "mov.b32 %y, %f; add.u32 %x, %x, %y; st.global.u32 [%at], %x;"
    )
    out = run(body, declarations=declared)
    assert (out[:32] == 30 + np.float32(0.5).view(np.uint32)).all()


def test_local_memory_is_marked():
    body = (
        ".local .align 4 .b8 __local_depot0[8]; .reg .b64 %l; mov.u64 %l, __local_depot0;"
        "st.local.u32 [%l+4], %t; ld.local.u32 %x, [%l+4]; st.global.u32 [%at], %x;"
    )
    assert np.array_equal(run(body)[:32], np.arange(32))
    head = ".reg .b64 %out;"
    assert (
        module_of(head + ".local .align 4 .b8 __local_depot0[8];").kernel("k").uses_local_memory()
    )
    assert not module_of(head).kernel("k").uses_local_memory()
    with pytest.raises(PtxError, match="out of bounds of local memory"):
        run(body.replace("%l+4", "%l+8"))


def test_generic_addresses():
    declared = ".shared .align 4 .b8 held[128];"
    body = (
        ".reg .b64 %s; mov.u64 %s, held; cvta.shared.u64 %s, %s; mad.wide.u32 %s, %t, 4, %s;"
        "st.u32 [%s], %t; bar.sync 0; ld.u32 %x, [%s]; st.u32 [%at], %x;"
    )
    assert np.array_equal(run(body, declarations=declared)[:32], np.arange(32))


def test_jump_tables():
    body = (
        "and.b32 %x, %t, 3; brx.idx %x, T; T: .branchtargets A, B, C, A; A: mov.u32 %y, 1;"
        "bra.uni E; B: mov.u32 %y, 2; bra.uni E; C: mov.u32 %y, 3; E: st.global.u32 [%at], %y;"
    )
    assert np.array_equal(run(body)[:32], np.tile([1, 2, 3, 1], 8))


@pytest.mark.parametrize(
    "text, message",
    [
        ("tanh.approx.f32 %f, %f;", "unknown instruction"),
        ("add.ftz.f32 %f, %f, %f;", "unknown modifier .ftz"),
        ("div.approx.f32 %f, %f, %f;", "unknown modifier .approx"),
        ("sqrt.rz.f32 %f, %f;", "unknown modifier .rz"),
        ("bar.red.popc.u32 %x, 0, %p;", "unknown modifier"),
        ("bar.sync 0, 32;", "this form of barrier is not supported"),
        ("add.u32 %x, %h0, %t;", "narrower"),
        ("add.u64 %x, %at, %at;", "cannot hold"),
        ("div.u32 %x, %t, 0;", "division by zero"),
        ("mov.u32 %x, %clock;", "special register %clock is not supported"),
        ("trap;", "trap"),
        ("st.param.u32 [p0], %t;", "read-only"),
        ("L: bra L;", "no end in sight"),
    ],
)  # fmt: skip
def test_what_is_unknown_or_wrong_is_refused(text, message, monkeypatch):
    monkeypatch.setattr("ptx.machine.MOST_STEPS", 1000)
    with pytest.raises(PtxError, match=message) as caught:
        run(text)
    assert str(caught.value).startswith("k: line ")


def test_a_warp_operation_of_lanes_that_left():
    with pytest.raises(PtxError, match="the mask names a lane that has exited"):
        run("setp.gt.u32 %p, %t, 20; @%p ret; shfl.sync.idx.b32 %x, %t, 0, 31, -1;")
    with pytest.raises(PtxError, match="a lane that its own mask does not name"):
        run("shfl.sync.idx.b32 %x, %t, 0, 31, 0xFF;")
    with pytest.raises(PtxError, match="reads from one that takes no part"):
        run("setp.gt.u32 %p, %t, 7; @%p ret; shfl.sync.idx.b32 %x, %t, 9, 31, 0xFF;")
