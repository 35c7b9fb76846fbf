"""A disk that promises no more than POSIX: bytes of a file are kept once the file was synced, names once their folder was.

Whatever was not synced when the power went may be there or not, each block and each name by itself, in any order;
only a rename or an exchange is never half done.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 4096
DATA, NAMES = "data", "names"


class Inode:
    """A file or a folder: what it held at the start, and its place in no tree."""

    def __init__(self, content=None):
        self.content = content  # None: a folder

    @property
    def is_folder(self):
        return self.content is None


@dataclass
class Operation:
    """One change of one file's bytes, or of a folder's names."""

    kind: str
    inode: Inode  # that a sync makes it durable of
    names: dict = field(default_factory=dict)  # (folder, name) -> inode or None
    change: object = None  # bytearray -> None
    durable: float = math.inf  # number of the call after which it is


def tree(root):
    """Relative path -> bytes, or None for a folder, of everything below."""
    root = Path(root)
    return {str(path.relative_to(root)): None if path.is_dir() else path.read_bytes() for path in sorted(root.rglob("*"))}


def lay_out(folder, contents):
    """Writes such a tree into a folder, over what it has of it."""
    for name, content in sorted(contents.items()):
        path = Path(folder, name)
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


class Disk:
    def __init__(self, root, before):
        """`before`: the tree below `root` at the start, all of it durable."""
        self.root = Path(root).resolve()
        self.top = Inode()
        self.before = {}  # (folder, name) -> inode
        self.now = {}
        self.operations = []  # (number of the call, operation)
        self.calls = 0
        for name, content in sorted(before.items()):
            self.now[self._place(self.root / name)] = Inode(content)
        self.before = dict(self.now)

    # --- what happened

    def replay(self, calls):
        for call in calls:
            self.calls += 1
            if call.result >= 0:
                self._apply(call)
        return self

    def _place(self, path):
        """The folder's inode and the name in it."""
        parts = Path(path).relative_to(self.root).parts
        folder = self.top
        for part in parts[:-1]:
            folder = self.now[folder, part]
        return folder, parts[-1]

    def _inode(self, path):
        return self.top if Path(path) == self.root else self.now.get(self._place(path))

    def _rename(self, names):
        folder, *others = {id(folder): folder for folder, _ in names}.values()
        assert not others, "a rename between two folders is not modelled"
        self.now |= names
        self.operations.append((self.calls, Operation(NAMES, folder, names=names)))

    def _change(self, inode, change):
        self.operations.append((self.calls, Operation(DATA, inode, change=change)))

    def _apply(self, call):
        if call.path.endswith(" (deleted)"):
            return  # nothing that has a name
        match call.name:
            case "create":
                inode = self._inode(call.path)
                if inode is None:
                    self._rename({self._place(call.path): Inode(b"")})
            case "mkdir":
                self._rename({self._place(call.path): Inode()})
            case "unlink" | "rmdir":
                self._rename({self._place(call.path): None})
            case "rename":
                self._rename({self._place(call.path): None, self._place(call.other): self._inode(call.path)})
            case "exchange":
                one, other = self._inode(call.path), self._inode(call.other)
                self._rename({self._place(call.path): other, self._place(call.other): one})
            case "link":
                self._rename({self._place(call.other): self._inode(call.path)})
            case "write":
                self._write(self._inode(call.path), call.offset, call.data)
            case "clone":
                content = self.content(self._inode(call.other))
                self._change(self._inode(call.path), lambda held: held.__setitem__(slice(None), content))
            case "copy":
                content = self.content(self._inode(call.other))[call.offset : call.offset + call.bytes]
                self._write(self._inode(call.path), call.offset, content)
            case "allocate":
                self._change(self._inode(call.path), lambda held, end=call.offset + call.bytes: lengthen(held, end))
            case "truncate":
                self._change(self._inode(call.path), lambda held, end=call.bytes: cut(held, end))
            case "sync":
                self._sync(self._inode(call.path))
            case "writeback" | "chmod" | "utime":
                pass  # promises nothing
            case _:
                raise AssertionError(f"{call} is not modelled")

    def _write(self, inode, offset, data):
        end = offset + len(data)
        for begin in range(offset - offset % BLOCK, end, BLOCK):
            first, last = max(begin, offset), min(begin + BLOCK, end)
            self._change(inode, lambda held, at=first, piece=data[first - offset : last - offset]: put(held, at, piece))

    def _sync(self, inode):
        for _, operation in self.operations:
            if operation.inode is inode:
                operation.durable = min(operation.durable, self.calls)

    def content(self, inode):
        """A file's bytes as the running program sees them."""
        return changed(inode, [operation.change for _, operation in self.operations if operation.inode is inode])

    # --- what a power cut may leave

    def pending(self, after):
        """Operations of the first `after` calls that these do not make durable."""
        return [operation for number, operation in self.operations if number <= after < operation.durable]

    def crash(self, after, kept):
        """The tree of a power cut after so many calls, if of the pending operations those in `kept` reached the disk."""
        kept = set(map(id, kept))
        names, changes = dict(self.before), {}
        for number, operation in self.operations:
            if number <= after and (operation.durable <= after or id(operation) in kept):
                names |= operation.names
                if operation.change:
                    changes.setdefault(id(operation.inode), []).append(operation.change)
        entries = {}
        for (folder, name), inode in names.items():
            if inode is not None:
                entries.setdefault(id(folder), []).append((name, inode))
        found = {}
        walk(self.top, "", entries, changes, found)
        return found

    def choices(self, after, random, count=4):
        """Subsets of the pending operations: none, all, the data or the names alone, all but one, one alone, random ones."""
        pending = self.pending(after)
        yield from ([], pending)
        if not pending:
            return
        yield from ([operation for operation in pending if operation.kind == kind] for kind in (DATA, NAMES))
        for one in random.sample(pending, min(len(pending), count)):
            yield [one]
            yield [operation for operation in pending if operation is not one]
        for _ in range(count):
            share = random.random()
            yield [operation for operation in pending if random.random() < share]


def walk(folder, prefix, entries, changes, found):
    for name, inode in entries.get(id(folder), ()):
        if inode.is_folder:
            found[prefix + name] = None
            walk(inode, f"{prefix}{name}/", entries, changes, found)
        else:
            found[prefix + name] = changed(inode, changes.get(id(inode), ()))


def changed(inode, changes):
    if not changes:
        return inode.content
    held = bytearray(inode.content)
    for change in changes:
        change(held)
    return bytes(held)


def lengthen(held, end):
    held.extend(bytes(max(0, end - len(held))))


def cut(held, end):
    del held[end:]
    lengthen(held, end)


def put(held, at, piece):
    lengthen(held, at)
    held[at : at + len(piece)] = piece
