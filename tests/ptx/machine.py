"""The threads of some blocks of one launch: registers, program counters, and who runs next.

Each register is one array over all threads. Every thread has its own program counter; the lowest of
the runnable ones goes next, for all threads that are there, so that diverged threads meet again.
With a seed, random warps run at each turn and stop at random places.
"""

import numpy as np

# The instructions put themselves into the table of operations.
from . import instructions_float, instructions_integer, instructions_memory  # noqa: F401
from . import control, instructions_move, warp  # noqa: F401
from .error import PtxError, PtxErrorAt
from .memory import BadAccess, Layout, Space
from .operations import decode, storage
from .parse import no_collection
from .races import Accessor
from .special_registers import special_register
from .states import EXITED, RUNNING, WARP

MOST_STEPS = 20_000_000

# With a seed: the share of warps that run at a turn, and the chance to stop after an instruction.
_SHARE_OF_WARPS, _CHANCE_TO_STOP = 0.5, 0.02


def code_of(kernel):
    """Per instruction: (guard, target of a branch, whether threads may part after it, step)."""
    if kernel.code is None:
        with no_collection():
            kernel.code = [
                (
                    i.guard,
                    control.branch_target(i, kernel),
                    i.name in control.CONTROL,
                    decode(i, kernel),
                )
                for i in kernel.instructions
            ]
    return kernel.code


class Machine:
    """Blocks `first` to `last` (exclusive) of a launch, run to their end by run()."""

    def __init__(self, launch, first, last):
        self.launch, self.kernel, self.memory = launch, launch.kernel, launch.memory
        self.random = launch.random
        self.first_block = first
        blocks = last - first
        threads = int(np.prod(launch.block))
        self.threads_per_block = threads
        # Whole warps; the places that no thread has count as exited.
        self.places = -(-threads // WARP) * WARP
        count = blocks * self.places
        self.count = count
        self.everyone = np.arange(count)
        self.block_of = self.everyone // self.places
        self.number = self.everyone % self.places  # of the thread in its block
        exists = self.number < threads
        self.state = np.where(exists, RUNNING, EXITED).astype(np.int8)
        self.pc = np.zeros(count, np.int64)
        self.barrier = np.zeros(count, np.int64)
        self.mask = np.zeros(count, np.uint32)
        self.block_epoch = np.zeros(blocks, np.int32)
        self.warp_epoch = np.zeros(count // WARP, np.int32)
        self.registers = {
            name: np.zeros(count, storage(kind)) for name, kind in self.kernel.registers.items()
        }
        self._special = {}
        self._lay_out(blocks, count)
        self.code = code_of(self.kernel)
        self.position = 0  # of the instruction that runs
        self.active = self.everyone  # the threads that run it
        self.steps_done = 0

    def _lay_out(self, blocks, count):
        variables = self.kernel.variables.values()
        shared = Layout([v for v in variables if v.space == "shared"], self.launch.dynamic_shared)
        local = Layout([v for v in variables if v.space == "local"])
        parameters = Space("param", max(16, self.launch.parameters.size))
        parameters.bytes[: self.launch.parameters.size] = self.launch.parameters
        parameters.written[:] = True
        parameters.allow(0, self.launch.parameters.size)
        self.spaces = {
            "global": self.memory.space,
            "const": self.memory.space,
            "shared": shared.space("shared", blocks),
            "local": local.space("local", count if local.ranges else 1),
            "param": parameters,
        }
        self.addresses = (
            shared.offsets | local.offsets | self.launch.parameter_offsets | self.launch.symbols
        )

    # What instructions ask for.

    def threads(self, lanes):
        return self.everyone if isinstance(lanes, slice) else lanes

    def address_of(self, name):
        if name not in self.addresses:
            raise PtxError(f"unknown name {name}")
        return self.addresses[name]

    def copies(self, space, threads):
        if space == "shared":
            return self.block_of[threads]
        return threads if space == "local" else 0

    def atomic_order(self, count):
        return range(count) if self.random is None else self.random.permutation(count)

    def special(self, name):
        """A special register, of all threads."""
        if name not in self._special:
            values = special_register(name, self)
            if values is None:
                self.fail(f"special register %{name} is not supported")
            self._special[name] = values.astype(np.uint32)
        return self._special[name]

    def note_access(self, kind, space, offsets, size, threads):
        """Tells the race detector of an access; fails if it races."""
        if space.name not in ("global", "shared"):
            return
        where = (offsets[:, None] + np.arange(size)).reshape(-1)
        each = np.repeat(threads, size)
        block = self.block_of[each]
        warps = each // WARP
        before = self.launch.threads_before
        who = Accessor(
            each + before,
            warps + before // WARP,
            block + self.first_block,
            self.warp_epoch[warps],
            self.block_epoch[block],
        )
        found = None
        if kind == "read_only":
            found = space.races.read_only_access(where)
            kind = "read"
        found = found or space.races.access(kind, where, who)
        if found:
            self.fail(f"race in {space.name} memory: {found[0]}", each[found[1]])

    def fail(self, message, thread=None):
        instruction = self.kernel.instructions[self.position]
        who = ""
        if thread is not None:
            block = int(self.block_of[thread]) + self.first_block
            who = f" (block {block}, thread {int(self.number[thread])})"
        raise PtxErrorAt(
            f"{self.kernel.name}: line {instruction.line}: {message}{who}: {instruction.text}"
        )

    # Scheduling.

    def run(self):
        with np.errstate(all="ignore"):
            while True:
                runnable = self.state == RUNNING
                if not runnable.any():
                    if (self.state == EXITED).all():
                        return
                    self._fail_stuck()
                if self.random is not None:
                    runnable &= self._some_warps(runnable)
                counters = self.pc[runnable]
                pc = int(counters.min())
                lanes = np.flatnonzero(runnable & (self.pc == pc))
                later = counters[counters > pc]
                self._run_straight(lanes, pc, int(later.min()) if later.size else None)

    def _some_warps(self, runnable):
        warps = np.flatnonzero(runnable.reshape(-1, WARP).any(axis=1))
        chosen = np.zeros(self.count // WARP, bool)
        chosen[warps] = self.random.random(warps.size) < _SHARE_OF_WARPS
        chosen[self.random.choice(warps)] = True
        return np.repeat(chosen, WARP)

    def _run_straight(self, threads, pc, stop):
        """Runs `threads` from pc on while they stay together, to `stop`, where others wait."""
        try:
            self._step_through(threads, pc, len(self.code) if stop is None else stop)
        except BadAccess as error:
            message, lane = error.args
            self.fail(message, self.active[min(lane, self.active.size - 1)])
        except PtxErrorAt:
            raise
        except PtxError as error:
            self.fail(str(error), self.active[0])

    def _step_through(self, threads, pc, stop):
        code, random = self.code, self.random
        all_lanes = slice(None) if threads.size == self.count else threads
        while pc < stop:
            self.position = pc
            guard, jump, ends_run, step = code[pc]
            lanes, self.active = all_lanes, threads
            if guard is not None:
                lanes = self._guarded(guard, threads, all_lanes)
            self.steps_done += 1
            if self.steps_done > MOST_STEPS:
                self.fail("no end in sight", threads[0])
            pc += 1
            if jump is not None and lanes is all_lanes:
                pc = jump
            elif ends_run and lanes is not None:
                self.pc[threads] = pc
                step(self, lanes)
                return
            elif lanes is not None:
                step(self, lanes)
            if random is not None and random.random() < _CHANCE_TO_STOP:
                break
        if pc >= len(code):
            self.fail("the threads run past the last instruction", threads[0])
        self.pc[threads] = pc

    def _guarded(self, guard, threads, lanes):
        """Those of `lanes` for which the guard holds; `lanes` itself if all, None if none."""
        holds = self.registers[guard.name][lanes]
        if guard.negated:
            holds = ~holds
        count = np.count_nonzero(holds)
        if count == holds.size:
            return lanes
        if count == 0:
            return None
        self.active = threads[holds]
        return self.active

    def _fail_stuck(self):
        thread = int(np.flatnonzero(self.state != EXITED)[0])
        self.position = int(self.pc[thread])
        self.fail("threads wait here for others that never come", thread)
