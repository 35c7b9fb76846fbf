"""The compiler's evidence about the kernels of the CUDA module, for every architecture that it is
built for: no spills, no local memory, registers as recorded, and machine code as the kernels mean
it. `python compiled_code_test.py LIBRARY` prints the table that registers.csv records."""

import csv
import os
import pathlib
import sys

import pytest

from cuda_code import cubin

HERE = pathlib.Path(__file__).parent
TABLE = HERE / "registers.csv"
LIBRARY = pathlib.Path(os.environ.get("CONTOURFUSE_BUILD_DIR", ".")) / "lib/libcontourfuse_cuda.so"
ARCHITECTURES = ["sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"]
REGISTERS_OF_A_MULTIPROCESSOR = 65536
# Threads of a block, as launch/launch_policy.hpp has them.
THREADS = {"moments_kernel": 256, "scf_kernel": 128, "fold_kernel": 64, "settle_kernel": 1,
           "generate_frames_kernel": 256, "generate_outputs_kernel": 256}

pytestmark = pytest.mark.skipif(
    not LIBRARY.exists() or cubin.find_tool("cuobjdump") is None
    or cubin.find_tool("nvdisasm") is None,
    reason="the CUDA module is not built here, or cuobjdump and nvdisasm are missing")


def rows(library):
    """The table: kernels down, architectures across."""
    usage = cubin.resource_usage(library)
    kernels = sorted({kernel for _, kernel in usage})
    return [["kernel", "shared bytes", *ARCHITECTURES],
            *([kernel, str(max(usage[arch, kernel]["SHARED"] for arch in ARCHITECTURES)),
               *(str(usage[arch, kernel]["REG"]) for arch in ARCHITECTURES)]
              for kernel in kernels)]


@pytest.fixture(scope="module")
def usage():
    return cubin.resource_usage(LIBRARY)


@pytest.fixture(scope="module", params=["sm_80", "sm_90", "sm_120"])
def code(request):
    return cubin.instructions(LIBRARY, request.param)


def kernels(code, name):
    chosen = {kernel: body for kernel, body in code.items() if kernel.startswith(name)}
    assert chosen, f"no kernel is named {name}"
    return chosen.items()


def test_every_architecture_is_there(usage):
    assert {architecture for architecture, _ in usage} == set(ARCHITECTURES)
    for architecture in ARCHITECTURES:
        names = [kernel for arch, kernel in usage if arch == architecture]
        assert sum(name.startswith("scf_kernel<") for name in names) == 9 * 2 * 2
        assert sum(name.startswith("moments_kernel<") for name in names) == 3
        assert sum(name.startswith("fold_kernel<") for name in names) == 2


def test_nothing_is_spilled_or_in_local_memory(usage):
    for (architecture, kernel), used in usage.items():
        assert used["STACK"] == 0 and used["LOCAL"] == 0, f"{kernel} on {architecture}: {used}"


def test_a_block_fits_a_multiprocessor_more_than_once(usage):
    for (architecture, kernel), used in usage.items():
        threads = THREADS[kernel.partition("<")[0]]
        assert 2 * threads * used["REG"] <= REGISTERS_OF_A_MULTIPROCESSOR, f"{kernel}, {architecture}"


def test_registers_are_as_recorded():
    with TABLE.open(newline="") as file:
        recorded = list(csv.reader(file))
    assert rows(LIBRARY) == recorded, (
        f"if the change is meant: python -m cuda_code.compiled_code_test LIBRARY > {TABLE.name}")


def test_elements_move_by_16_bytes(code):
    for kernel, body in [*kernels(code, "scf_kernel<"), *kernels(code, "moments_kernel<")]:
        loads = [opcode for opcode in body if opcode.startswith("LDG") and ".128" in opcode]
        arrays = 1 if kernel.startswith("moments") else 2
        assert len(loads) >= arrays, f"{kernel}: {len(loads)} loads of 16 bytes"
    for kernel, body in [*kernels(code, "scf_kernel<"), *kernels(code, "generate_")]:
        assert any(op.startswith("STG") and ".128" in op for op in body), f"{kernel}: no 16-byte store"


def test_no_local_memory_instruction(code):
    for kernel, body in code.items():
        local = [opcode for opcode in body if opcode.startswith(("LDL", "STL"))]
        assert not local, f"{kernel}: {local[:3]}"


def test_nothing_flushes_denormals(code):
    for kernel, body in code.items():
        # F2I serves the quotients of whole numbers, of which none is a denormal.
        flushed = [opcode for opcode in body if ".FTZ" in opcode and not opcode.startswith("F2I")]
        assert not flushed, f"{kernel}: {flushed[:3]}"


def test_products_and_sums_are_fused_where_the_source_says(code):
    for kernel, body in kernels(code, "scf_kernel<"):
        fused = sum(opcode.startswith("FFMA") for opcode in body)
        products = sum(opcode.startswith("FMUL") for opcode in body)
        assert fused >= 8, f"{kernel}: {fused} FFMA for eight elements"
        if ", down," in kernel:
            assert products >= 8, f"{kernel}: {products} FMUL for eight elements"
        # Four fused sums an element, two or none of which the compiler may make plain: w² of two
        # 24-bit factors is exact. The difference c is a sum of its own.
        assert sum(opcode.startswith("DFMA") for opcode in body) >= 4 * 8, kernel
        assert sum(opcode.startswith("DADD") for opcode in body) >= 2 * 8, kernel


if __name__ == "__main__":
    csv.writer(sys.stdout, lineterminator="\n").writerows(rows(sys.argv[1]))
