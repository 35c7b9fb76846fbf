"""A matrix fused by the kernels in the order that the backend launches them, on interpreted PTX."""

from dataclasses import dataclass

import numpy as np

from oracle.exact import BF16, F16, F32

from . import layouts
from .memory import Memory

BLOCK = 8192
FORMATS = {BF16: "Bf16", F16: "F16", F32: "F32"}
ROLES = {"down": 0, "gate": 1}  # ScfRole
RULES = {"match": layouts.SIGMA_RATIO, "unit": layouts.INVERSE_SIGMA, "none": layouts.PLAIN}
# Threads per block; several warps, so that some find no block of elements to do.
MOMENTS_THREADS, SCF_THREADS, FOLD_THREADS, FOLD_RUN = 256, 128, 64, 8


@dataclass
class Fused:
    weight: np.ndarray  # covered elements
    scaling: np.void
    record: np.void


class Device:
    """One memory, one module, and how to launch each kernel; `seed` as for Module.run."""

    def __init__(self, module, seed=None):
        self.module, self.seed = module, seed
        self.memory = Memory()

    def run(self, name, grid, block, *arguments):
        self.module.run(self.memory, name, grid, block, arguments, seed=self.seed)

    def fold(self, address, dtype, name, count):
        """The address of the fold of `count` structs."""
        while count > 1:
            runs = -(-count // FOLD_RUN)
            folded = self.memory.allocate(runs * dtype.itemsize)
            self.run(
                f"fold_kernel<{name}>",
                -(-runs // FOLD_THREADS),
                FOLD_THREADS,
                address,
                np.uint64(count),
                folded,
            )
            address, count = folded, runs
        return address

    def moments(self, address, dtype, count):
        """The address of the moments of `count` elements."""
        blocks = -(-count // BLOCK)
        out = self.memory.allocate(blocks * layouts.MOMENTS.itemsize)
        grid = -(-blocks // (MOMENTS_THREADS // 32))
        self.run(
            f"moments_kernel<{FORMATS[dtype]}>",
            grid,
            MOMENTS_THREADS,
            address,
            np.uint64(count),
            out,
        )
        return self.fold(out, layouts.MOMENTS, "BlockMoments", blocks)

    def settle(self, weight_moments, delta_moments, rule):
        out = self.memory.allocate(layouts.SCALING.itemsize)
        self.run("settle_kernel", 1, 1, weight_moments, delta_moments, rule, out)
        return out

    def scf(self, weight, delta, formats, role, rounding, first, count, extent, scaling, key):
        """The address of the records of the blocks of elements [first, first + count)."""
        covered_cols, cols = extent
        blocks = -(-count // BLOCK)
        out = self.memory.allocate(blocks * layouts.RECORD.itemsize)
        covered = layouts.make(
            layouts.COVERED_RANGE, first=first, count=count, covered_cols=covered_cols, cols=cols
        )
        stochastic = "true" if rounding == "stochastic" else "false"
        name = (
            f"scf_kernel<{FORMATS[formats[0]]}, {FORMATS[formats[1]]}, {ROLES[role]}, {stochastic}>"
        )
        self.run(
            name,
            -(-blocks // (SCF_THREADS // 32)),
            SCF_THREADS,
            weight,
            delta,
            covered,
            scaling,
            key,
            out,
        )
        return out

    def fuse(self, base, delta, role, settings, tensor_hash, offsets=(0, 0)):
        """SCF of a base matrix; `offsets`: of both matrices, elements past a 256-byte boundary."""
        rows, covered_cols = delta.shape
        covered = np.ascontiguousarray(base[:rows, :covered_cols])
        count = covered.size
        weight = self.memory.upload(covered, offsets[0] * covered.itemsize)
        steps = self.memory.upload(delta, offsets[1] * delta.itemsize)
        rule = RULES[settings.variance_norm] if role == "down" else layouts.PLAIN
        plain = settings.alpha if role == "down" else settings.gamma_cap
        delta_moments = self.moments(steps, delta.dtype, count)
        weight_moments = (
            self.moments(weight, base.dtype, count)
            if rule == layouts.SIGMA_RATIO
            else delta_moments
        )
        how = layouts.make(
            layouts.SCALING_RULE,
            alpha=settings.alpha,
            plain=np.float32(plain),
            rule=rule,
            covered=count,
        )
        scaling = self.settle(weight_moments, delta_moments, how)
        key = layouts.make(
            layouts.ROUNDING_KEY, seed=settings.rounding_seed, tensor_hash=tensor_hash
        )
        formats, extent = (base.dtype, delta.dtype), (covered_cols, base.shape[1])
        records = self.scf(
            weight, steps, formats, role, settings.rounding, 0, count, extent, scaling, key
        )
        record = self.fold(records, layouts.RECORD, "Record", -(-count // BLOCK))
        return Fused(
            self.memory.download(weight, base.dtype, count).reshape(delta.shape),
            self.memory.download(scaling, layouts.SCALING, 1)[0],
            self.memory.download(record, layouts.RECORD, 1)[0],
        )
