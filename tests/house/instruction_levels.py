"""Objects compiled for a higher instruction-set level than the program's own define no weak symbol:
the linker could otherwise keep such a copy of an inline function for code that runs everywhere.

Usage: instruction_levels.py NM OBJECT...; exit status 1 if one does, or if an object is empty.
"""

import subprocess
import sys


def main():
    nm, *objects = sys.argv[1:]
    failed = not objects
    for path in objects:
        listing = subprocess.run([nm, "--defined-only", "--demangle", path], check=True,
                                 capture_output=True, text=True).stdout
        symbols = [line.split(maxsplit=2)[1:] for line in listing.splitlines()]
        shared = [name for kind, name in symbols
                  if kind in "WVu" and not name.startswith(("DW.ref.", "typeinfo"))]
        own = [name for kind, name in symbols if kind in "Tt"]
        for name in shared:
            print(f"{path}: weak: {name}")
        if not own:
            print(f"{path}: defines no function at all")
        failed = failed or bool(shared) or not own
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
