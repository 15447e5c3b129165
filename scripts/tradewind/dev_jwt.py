"""The development key and its tokens. An OIDC provider replaces both; nothing else changes then.

Signs with the openssl program, so that no cryptography package is needed before set-up.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from base64 import urlsafe_b64encode
from pathlib import Path

from tradewind import secrets_store
from tradewind.console import Failure
from tradewind.instance import Instance

ISSUER = "https://dev.tradewind.local"
AUDIENCE = "tradewind"
TOKEN_SECONDS = 3600
COORDINATE_BYTES = 32  # P-256


def ensure_key(instance: Instance) -> None:
    """Makes the signing key and the public key set once per instance."""
    key = _key_file(instance)
    if not key.exists():
        pem = _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        secrets_store.write_private(key, pem.decode())
    jwk = _public_jwk(key)
    jwks = json.dumps({"keys": [jwk]}, indent=2) + "\n"
    secrets_store.write_private(instance.run / "jwks.json", jwks)


def token(instance: Instance, subject: str, roles: list[str], scope: str = "") -> str:
    """A signed token for one end user."""
    key = _key_file(instance)
    if not key.exists():
        raise Failure(f"instance {instance.number} has no signing key yet; start it first")
    now = int(time.time())
    header = {"alg": "ES256", "typ": "JWT", "kid": _public_jwk(key)["kid"]}
    claims = {
        "iss": ISSUER, "aud": [AUDIENCE], "sub": subject, "roles": roles, "scope": scope,
        "iat": now, "exp": now + TOKEN_SECONDS,
    }
    signed = f"{_encoded_json(header)}.{_encoded_json(claims)}"
    signature = _openssl("dgst", "-sha256", "-sign", str(key), stdin=signed.encode())
    return f"{signed}.{_encoded(_raw_signature(signature))}"


def _key_file(instance: Instance) -> Path:
    return instance.run / "jwt-key.pem"


def _public_jwk(key: Path) -> dict[str, str]:
    # The encoding of a public key ends with the uncompressed point: 04, x, y.
    der = _openssl("pkey", "-in", str(key), "-pubout", "-outform", "DER")
    point = der[-2 * COORDINATE_BYTES:]
    members = {
        "crv": "P-256", "kty": "EC",
        "x": _encoded(point[:COORDINATE_BYTES]), "y": _encoded(point[COORDINATE_BYTES:]),
    }
    # RFC 7638: the thumbprint over exactly these members in this order names the key.
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    kid = _encoded(hashlib.sha256(canonical.encode()).digest())
    return {**members, "kid": kid, "use": "sig", "alg": "ES256"}


def _raw_signature(der: bytes) -> bytes:
    """DER `SEQUENCE { INTEGER r, INTEGER s }` as the fixed-size pair that a JWT holds."""
    position, numbers = 2, []
    for _ in range(2):
        length = der[position + 1]
        number = int.from_bytes(der[position + 2:position + 2 + length], "big")
        numbers.append(number.to_bytes(COORDINATE_BYTES, "big"))
        position += 2 + length
    return b"".join(numbers)


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _encoded_json(value: dict) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _openssl(*arguments: str, stdin: bytes | None = None) -> bytes:
    return subprocess.run(
        ["openssl", *arguments], input=stdin, capture_output=True, check=True
    ).stdout
