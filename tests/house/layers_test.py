"""layers.py finds what it is there to find: each rule on a tree with one planted violation."""

import pathlib
import tempfile
import unittest

import layers

CLEAN = {
    "include/contourfuse/core/error.hpp": "// Errors.\n#pragma once\n#include <string>\n",
    "src/core/error.cpp": '// Errors.\n#include "contourfuse/core/error.hpp"\n',
    "include/contourfuse/io/file.hpp":
        '// Files.\n#pragma once\n#include "contourfuse/core/error.hpp"\n',
    "src/io/file.cpp": '// Files.\n#include "contourfuse/io/file.hpp"\n',
    "include/contourfuse/fusion/backend.hpp":
        '// Backend.\n#pragma once\n#include "contourfuse/io/file.hpp"\n',
    "include/contourfuse/fusion/plan.hpp": "// Plan.\n#pragma once\n",
    "src/backend/cpu/kernels.cpp": "// Kernels.\n",
    "src/backend/cpu/cpu_backend.hpp": "// Backend.\n#pragma once\n",
    "src/backend/cpu/cpu_backend.cpp":
        '// Backend.\n#include "contourfuse/fusion/backend.hpp"\n#include "backend/cpu/cpu_backend.hpp"\n',
    "tests/io/file_test.cpp": '// Tests.\n#include "contourfuse/io/file.hpp"\n',
    "tools/contourfuse/main.cpp":
        '// Program.\n#include "contourfuse/fusion/plan.hpp"\nint main() { std::exit(0); }\n',
    "include/contourfuse/numeric/host_device.hpp":
        "// Host and device.\n#pragma once\n#if defined(__CUDACC__)\n#endif\n",
}

# The planted file, its text, and a piece of the one finding that it must cause.
PLANTED = [
    ("src/core/error.cpp", '// E.\n#include "contourfuse/io/file.hpp"\n', "layer core may not include"),
    ("include/contourfuse/io/file.hpp", '// F.\n#pragma once\n#include <contourfuse/core/error.hpp>\n',
     "with quotes"),
    ("include/contourfuse/io/file.hpp",
     '// F.\n#pragma once\n  #  include "contourfuse/numeric/host_device.hpp"\n',
     "layer io may not include"),
    ("src/backend/cpu/cpu_backend.cpp", '// B.\n#include "contourfuse/fusion/plan.hpp"\n',
     "layer backend/cpu may not include"),
    ("tests/io/file_test.cpp", '// T.\n#include "contourfuse/fusion/plan.hpp"\n',
     "layer io may not include"),
    ("cuda/scf.cu", '// K.\n#include "contourfuse/fusion/plan.hpp"\n',
     "layer backend/cuda may not include"),
    ("src/io/file.cpp", '// F.\n#include "pipeline/device.hpp"\n', "layer io may not include"),
    ("tests/backend/cuda/pipeline/other_test.cpp", "// O.\n", "tests nothing of that name"),
    ("src/io/file.cpp", '// F.\n#include "../core/error.hpp"\n', "from the root of"),
    ("src/io/other.cpp", "// O.\n", "has neither"),
    ("tests/io/other_test.cpp", "// O.\n", "tests nothing of that name"),
    ("src/io/file.cpp", "// F.\n#ifdef __CUDACC__\n#endif\n", "__CUDACC__"),
    ("src/io/file.cpp", "// F.\nvoid f() { std::abort(); }\n", "does not print or end"),
    ("src/io/file.cpp", '// F.\nvoid f() { fmt::print("x"); }\n', "does not print or end"),
    ("include/contourfuse/io/file.hpp", "// F.\n", "no #pragma once"),
    ("include/contourfuse/io/file.hpp", "// F.\n#pragma once\nusing namespace std;\n",
     "using namespace"),
    ("include/contourfuse/io/io_utils.hpp", "// U.\n#pragma once\n", "says nothing"),
    ("src/io/file.cpp", "int x;\n", "first line"),
]


def findings_of(tree):
    with tempfile.TemporaryDirectory() as folder:
        for path, text in tree.items():
            file = pathlib.Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return layers.findings(folder)[0]


class LayersTest(unittest.TestCase):
    def test_a_clean_tree_has_no_finding(self):
        self.assertEqual(findings_of(CLEAN), [])

    def test_every_planted_violation_is_the_one_finding(self):
        for path, text, expected in PLANTED:
            with self.subTest(path=path, text=text):
                found = findings_of({**CLEAN, path: text})
                self.assertEqual(len(found), 1, found)
                self.assertIn(expected, found[0])
                self.assertTrue(found[0].startswith(path + ":"))

    def test_words_in_comments_and_strings_are_not_code(self):
        text = '// F. abort() is not called; __CUDACC__ neither.\nconst char* s = "exit(1)";\n'
        self.assertEqual(findings_of({**CLEAN, "src/io/file.cpp": text}), [])


if __name__ == "__main__":
    unittest.main()
