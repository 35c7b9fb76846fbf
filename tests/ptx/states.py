"""What a thread of a machine can be doing."""

WARP = 32  # threads of a warp

RUNNING, AT_WARP_SYNC, AT_BARRIER, EXITED = range(4)
