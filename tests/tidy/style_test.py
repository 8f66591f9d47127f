#!/usr/bin/python3
"""Style as a test: which way things depend, where third-party headers live, how long lines, files and functions are."""

import ast
import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINE_MAX, SCRIPT_LINE_MAX, FILE_MAX, FUNCTION_MAX, MAIN_MAX = 110, 120, 500, 80, 45
PURE = {"text", "order", "stock", "message", "routing", "outcome"}
ANYONE = PURE | {"log", "metrics", "watchdog"}  # what an edge may include beside itself
HOMES = {
    r"amqp(_\w+)?\.h": ("common/amqp",),
    r"pqxx/.*|libpq-fe\.h": ("common/postgres",),
    r"(mariadb/)?mysql(d_error)?\.h": ("common/catalogue",),
    r"uv\.h": ("common/runtime", "common/http"),
    r"yaml-cpp/.*": ("common/config",),
    r"curl/.*|llhttp\.h": ("common/http",),
    r"prometheus/.*": ("common/metrics",),
    r"simdjson\.h|nlohmann/.*": ("common/codec",),
    r"openssl/.*": ("common/crypto",),
    r"CLI/.*": ("common/command_line",),
    r"doctest/.*|valijson/.*": ("tests",),
}
# What headers of the product may show of libraries: the rest is behind a pimpl.
SHOWN = {"common/order/id.hpp": {"fmt/format.h"}, "common/amqp/wire.hpp": {"amqp.h", "amqp_framing.h"}}
# Nothing of the system in pure code: no sockets, files, threads, clocks but what a caller hands in.
IMPURE = re.compile(r"sys/.*|unistd\.h|fcntl\.h|netinet/.*|arpa/.*|pthread\.h|thread|mutex|fstream|filesystem|iostream|random")


def sources() -> list[Path]:
    """Every C++ file that git knows, or would."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.cpp", "*.hpp"], cwd=ROOT,
                            capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def product() -> list[Path]:
    return [path for path in sources() if path.relative_to(ROOT).parts[0] in ("common", "workers")]


def scripts() -> list[Path]:
    """Every Python file that git knows, or would."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "scripts", "tests"], cwd=ROOT,
                            capture_output=True, text=True, check=True)
    paths = [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    return [path for path in paths if path.suffix == ".py" or path.read_bytes().startswith(b"#!/usr/bin/python3")]


def module_of(path: str) -> str:
    return "/".join(path.split("/")[:2])


def module_graph() -> dict[str, set[str]]:
    """The modules that each module includes."""
    graph = {}
    for path in product():
        module = module_of(str(path.relative_to(ROOT)))
        graph.setdefault(module, set()).update(
            module_of(header) for header in includes(path) if header.startswith(("common/", "workers/")))
        graph[module].discard(module)
    return graph


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """Modules of which each includes the next, back to the first; empty when there are none."""
    done: set[str] = set()

    def search(module: str, above: list[str]) -> list[str]:
        if module in above:
            return above[above.index(module):] + [module]
        if module in done:
            return []
        for other in sorted(graph.get(module, ())):
            if found := search(other, above + [module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := search(module, []))), [])


def includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#include\s+[<"]([^>"]+)[>"]', path.read_text(), re.M)


def long_functions(path: Path) -> list[str]:
    found, begin = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if re.match(r"^\S.*\)\s*(const\s*)?(noexcept\s*)?(->\s*\S+\s*)?\{\s*$", line) and not line.startswith(("namespace", "struct")):
            begin = number
        elif line.startswith("}") and begin:
            if number - begin > FUNCTION_MAX:
                found.append(f"{path.relative_to(ROOT)}:{begin}: {number - begin} lines")
            begin = None
    return found


class Style(unittest.TestCase):
    """Each test lists every place that breaks its rule."""

    def test_lines_fit(self):
        limits = {**dict.fromkeys(sources(), LINE_MAX), **dict.fromkeys((ROOT / "scripts").rglob("*.py"), SCRIPT_LINE_MAX)}
        found = [f"{path.relative_to(ROOT)}:{number} has more than {most} columns" for path, most in limits.items()
                 for number, line in enumerate(path.read_text().splitlines(), 1) if len(line) > most]
        self.assertEqual(found, [])

    def test_files_and_functions_are_short(self):
        found = [f"{path.relative_to(ROOT)}: {count} lines" for path in product()
                 if (count := len(path.read_text().splitlines())) > FILE_MAX]
        found += [place for path in product() if path.suffix == ".cpp" for place in long_functions(path)]
        self.assertEqual(found, [])

    def test_main_is_wiring(self):
        found = [str(path.relative_to(ROOT)) for path in product()
                 if path.name == "main.cpp" and len([line for line in path.read_text().splitlines() if line.strip()]) > MAIN_MAX]
        self.assertEqual(found, [], f"mains of more than {MAIN_MAX} lines")

    def test_third_party_headers_are_at_home(self):
        found = []
        for path in product():
            place = str(path.relative_to(ROOT))
            for header in includes(path):
                homes = next((homes for pattern, homes in HOMES.items() if re.fullmatch(pattern, header)), None)
                if homes and not place.startswith(tuple(home + "/" for home in homes)):
                    found.append(f"{place} includes {header}, at home in {' or '.join(homes)}")
        self.assertEqual(found, [])

    def test_dependencies_run_one_way(self):
        found = []
        for path in product():
            kind, module = path.relative_to(ROOT).parts[:2]
            for header in includes(path):
                parts = header.split("/")
                if len(parts) < 3 or parts[0] not in ("common", "workers"):
                    continue
                if kind == "workers":
                    wrong = parts[0] == "workers" and parts[1] != module
                elif module == "worker":
                    wrong = parts[0] == "workers"
                else:
                    allowed = PURE if module in PURE else ANYONE
                    wrong = parts[0] == "workers" or (parts[1] != module and parts[1] not in allowed)
                if wrong:
                    found.append(f"{path.relative_to(ROOT)} includes {header}")
        self.assertEqual(found, [])

    def test_modules_include_one_another_in_one_direction(self):
        self.assertEqual(cycle(module_graph()), [])
        self.assertEqual(cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}), ["b", "c", "b"], "the search finds cycles")

    def test_pure_code_is_pure(self):
        found = [f"{path.relative_to(ROOT)} includes {header}" for path in product()
                 if path.relative_to(ROOT).parts[1] in PURE for header in includes(path) if IMPURE.fullmatch(header)]
        self.assertEqual(found, [])

    def test_headers_are_guarded_and_hide_libraries(self):
        found = []
        for path in product():
            if path.suffix != ".hpp":
                continue
            place = str(path.relative_to(ROOT))
            if "#pragma once" not in path.read_text():
                found.append(f"{place} has no #pragma once")
            hidden = {header for header in includes(path) if re.fullmatch("|".join(HOMES) + r"|fmt/.*", header)}
            found += [f"{place} shows {header}" for header in sorted(hidden - SHOWN.get(place, set()))]
        self.assertEqual(found, [])

    def test_scripts_are_short_too(self):
        found = []
        for path in scripts():
            text = path.read_text()
            if (count := len(text.splitlines())) > FILE_MAX:
                found.append(f"{path.relative_to(ROOT)}: {count} lines")
            found += [f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {length} lines"
                      for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
                      and (length := node.end_lineno - node.lineno + 1) > FUNCTION_MAX]
        self.assertEqual(found, [])

    def test_scripts_name_debians_python(self):
        listed = subprocess.run(["git", "ls-files", "scripts", "tests"], cwd=ROOT, capture_output=True, text=True, check=True)
        found = []
        for name in listed.stdout.splitlines():
            path = ROOT / name
            if path.is_file() and path.suffix in ("", ".py"):
                first = path.read_bytes().split(b"\n", 1)[0]
                if first.startswith(b"#!") and b"python" in first and first != b"#!/usr/bin/python3":
                    found.append(name)
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
