"""The C++ structs that the kernels take and give, as numpy dtypes with the compiler's padding."""

import numpy as np

RECORD_COUNTS = "moved changed lost clamped sign_flips zero_weights nonfinite_kept".split()
RECORD_SUMS = "weight2 out2 change2 change weight_out max_change".split()


def struct(**fields):
    return np.dtype(list(fields.items()), align=True)


MOMENTS = struct(sum="f8", sum_squares="f8", finite="u8", smallest="f4", largest="f4")
RECORD = struct(
    **dict.fromkeys(RECORD_COUNTS, "u8"),
    **dict.fromkeys(RECORD_SUMS, "f8"),
    bad_count="u8",
    bad_first="u8",
)
COVERED_RANGE = struct(first="u8", count="u8", covered_cols="u8", cols="u8")
ROUNDING_KEY = struct(seed="u8", tensor_hash="u8")
SCALING_RULE = struct(alpha="f8", plain="f4", rule="u1", covered="u8")
SCALING = struct(parameter="f4", state="u1", sigma_weight="f8", sigma_delta="f8")
GENERATOR_TABLES = struct(
    **dict.fromkeys(("hidden", "intermediate", "cells"), "u8"),
    **dict.fromkeys(("gains", "period", "sources"), "u4"),
    **dict.fromkeys(
        ("gate_table", "down_table", "frames", "signs", "exponents", "coefficients"), "u8"
    ),
)

SIGMA_RATIO, INVERSE_SIGMA, PLAIN = range(3)  # AlphaRule
SCALED, ZERO_DELTA, NO_SPREAD, SMALL_SPREAD = range(4)  # ScalingState


def make(dtype, **values):
    """One struct of the dtype."""
    record = np.zeros((), dtype)
    for name, value in values.items():
        record[name] = value
    return record[()]
