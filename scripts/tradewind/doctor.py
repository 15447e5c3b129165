"""What the machine must have before anything can be fetched or built: one list of what it lacks.

On Debian, root gets the missing packages installed; everybody else is told what to type.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tradewind import paths
from tradewind.console import Failure, say, show

JAVA_VERSION = 17  # Kafka 4's broker
PYTHON_VERSION = (3, 11)  # tomllib
CARGO_VERSION = (1, 95)


@dataclass(frozen=True)
class Need:
    """One thing the machine must have."""

    what: str
    present: Callable[[], bool]
    debian: str | None  # the package that brings it
    otherwise: str
    tests_only: bool = False


def needs() -> list[Need]:
    """In the order in which a reader would install them."""
    return [
        Need("Linux on x86-64 or arm64", _platform, None,
             "the real components exist for no other system; use a Linux machine"),
        Need(f"Python {PYTHON_VERSION[0]}.{PYTHON_VERSION[1]} or newer", _python, "python3",
             "https://www.python.org/downloads/"),
        Need("Python's venv module", _venv, "python3-venv", "it is part of a full Python"),
        Need(f"Java {JAVA_VERSION} or newer (for Kafka)", _java, "openjdk-17-jre-headless",
             "https://adoptium.net/"),
        Need("Maven (fetches Kafka)", _program("mvn"), "maven", "https://maven.apache.org/"),
        Need(f"Rust {CARGO_VERSION[0]}.{CARGO_VERSION[1]} with cargo", _cargo, None,
             "curl -sSf https://sh.rustup.rs | sh -s -- -y   (then open a new shell)"),
        Need("a C compiler", _program("cc"), "gcc", "gcc or clang"),
        Need("a C++ compiler", _program("c++"), "g++", "g++ or clang++"),
        Need("the C library's headers", _header("stdio.h"), "libc6-dev", "glibc-devel"),
        Need("make", _program("make"), "make", "GNU make"),
        Need("pkg-config", _program("pkg-config"), "pkg-config", "pkgconf"),
        Need("OpenSSL's headers (for librdkafka)", _openssl, "libssl-dev", "openssl-devel"),
        Need("the openssl program (signs development tokens)", _program("openssl"), "openssl",
             "openssl"),
        Need("Go (fetches Istio's schemas for make test)", _program("go"), "golang-go",
             "https://go.dev/dl/", tests_only=True),
    ]


def check(install: bool, tests: bool = False) -> None:
    """Fails with the whole list when something is missing and could not be installed here."""
    wanted = [need for need in needs() if tests or not need.tests_only]
    missing = [need for need in wanted if not need.present()]
    packages = sorted({need.debian for need in missing if need.debian})
    if install and packages and _may_install():
        say(f"installing Debian packages: {' '.join(packages)}")
        _install(packages)
        missing = [need for need in missing if not need.present()]
    if missing:
        raise Failure(_report(missing))


def report() -> None:
    """`make doctor`: everything that was looked at."""
    missing = []
    for need in needs():
        present = need.present()
        show(f"  {'ok     ' if present else 'MISSING'}  {need.what}")
        if not present:
            missing.append(need)
    if missing:
        raise Failure(_report(missing))
    show("\nThis machine has all that is needed.")


def _report(missing: list[Need]) -> str:
    lines = ["This machine lacks:"]
    lines += [f"  - {need.what}: {need.otherwise}" for need in missing]
    packages = sorted({need.debian for need in missing if need.debian})
    if packages and _debian():
        lines.append(f"\nOn this system:\n  sudo apt-get install {' '.join(packages)}")
    return "\n".join(lines)


def _debian() -> bool:
    return Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


def _may_install() -> bool:
    return _debian() and paths.as_root()


def _install(packages: list[str]) -> None:
    for command in (
        ["apt-get", "update", "--quiet=2"],
        ["apt-get", "install", "--quiet=2", "--yes", "--no-install-recommends", *packages],
    ):
        if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode != 0:
            say(f"failed: {' '.join(command)}")
            return


def _platform() -> bool:
    return platform.system() == "Linux" and platform.machine() in ("x86_64", "aarch64")


def _python() -> bool:
    return sys.version_info >= PYTHON_VERSION


def _venv() -> bool:
    # Debian ships the module without what it needs to make a venv with pip.
    return all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))


def _java() -> bool:
    match = re.search(r'version "(\d+)', _output(["java", "-version"]))
    return match is not None and int(match.group(1)) >= JAVA_VERSION


def _cargo() -> bool:
    # In the checkout, where rust-toolchain.toml makes rustup fetch the right one.
    match = re.match(r"cargo (\d+)\.(\d+)", _output(["cargo", "--version"]))
    return match is not None and (int(match.group(1)), int(match.group(2))) >= CARGO_VERSION


def _openssl() -> bool:
    if shutil.which("pkg-config") is None:
        return False
    return subprocess.run(["pkg-config", "--exists", "openssl"], check=False).returncode == 0


def _header(name: str) -> Callable[[], bool]:
    def present() -> bool:
        if shutil.which("cc") is None:
            return False
        return subprocess.run(
            ["cc", "-E", "-", "-o", "/dev/null"], input=f"#include <{name}>\n", text=True,
            stderr=subprocess.DEVNULL, check=False,
        ).returncode == 0

    return present


def _program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


def _output(command: list[str]) -> str:
    """Both streams of a short command; empty when there is no such program."""
    try:
        result = subprocess.run(
            command, cwd=paths.ROOT, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return result.stdout + result.stderr
