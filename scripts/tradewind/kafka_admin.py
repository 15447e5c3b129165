"""Users, topics and ACLs of Kafka, from one JSON request on standard input.

Runs in the venv (it needs confluent-kafka); everything else about Kafka is in `kafka.py`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

TIMEOUT_SECONDS = 20
METADATA_TIMEOUT_SECONDS = 3
POLL_SECONDS = 0.05
SCRAM_ITERATIONS = 4096  # Kafka's minimum; the passwords are random, so more would only cost time


def main() -> None:
    request = json.load(sys.stdin)
    client = AdminClient({
        "bootstrap.servers": request["brokers"],
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": request["username"],
        "sasl.password": request["password"],
        "log_level": 0,
    })
    client.list_topics(timeout=METADATA_TIMEOUT_SECONDS)
    if request["action"] == "provision":
        declared = request["declared"]
        _users(client, request["passwords"])
        _topics(client, declared, declared["environments"][request["environment"]])
        _acls(client, declared)


def _users(client: AdminClient, passwords: dict[str, str]) -> None:
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS)
    _wait(client.alter_user_scram_credentials([
        UserScramCredentialUpsertion(user, credential, password.encode())
        for user, password in passwords.items()
    ]).values())


def _topics(client: AdminClient, declared: dict[str, Any], environment: dict[str, Any]) -> None:
    """Creates what is missing and sets the declared configuration on what exists."""
    wanted: dict[str, dict[str, str]] = {}
    for service in declared["services"].values():
        own = service["writes"]
        wanted[own] = {**declared["topics"]["defaults"]["config"], **environment["config"]}
        wanted[f"{own}.dlt"] = {
            **declared["topics"]["dead_letters"]["config"], **environment["config"],
        }
    existing = client.list_topics(timeout=TIMEOUT_SECONDS).topics
    missing = [
        NewTopic(
            name, num_partitions=environment["partitions"],
            replication_factor=environment["replication_factor"], config=config,
        )
        for name, config in wanted.items() if name not in existing
    ]
    if missing:
        _wait(client.create_topics(missing).values(), KafkaError.TOPIC_ALREADY_EXISTS)
    changes = [
        ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in wanted[name].items()
        ])
        for name in wanted if name in existing
    ]
    if changes:
        _wait(client.incremental_alter_configs(changes).values())


def _acls(client: AdminClient, declared: dict[str, Any]) -> None:
    """Makes the declared ACLs and removes what services were once allowed and no longer are."""
    wanted = set(_wanted_acls(declared))
    everything = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None,
        AclOperation.ANY, AclPermissionType.ANY,
    )
    existing = set(client.describe_acls(everything).result(TIMEOUT_SECONDS))
    principals = {f"User:{service}" for service in declared["services"]}
    stale = [acl for acl in existing - wanted if acl.principal in principals]
    if stale:
        _wait(client.delete_acls([
            AclBindingFilter(
                acl.restype, acl.name, acl.resource_pattern_type, acl.principal, acl.host,
                acl.operation, acl.permission_type,
            )
            for acl in stale
        ]).values())
    if wanted - existing:
        _wait(client.create_acls(list(wanted - existing)).values())
    # The controller has written them; the broker enforces them a moment later.
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not wanted <= set(client.describe_acls(everything).result(TIMEOUT_SECONDS)):
        if time.monotonic() > deadline:
            sys.exit("kafka: the broker does not take over the ACLs")
        time.sleep(POLL_SECONDS)


def _wanted_acls(declared: dict[str, Any]) -> Iterable[AclBinding]:
    for service, rights in declared["services"].items():
        principal = f"User:{service}"
        # WRITE and READ imply DESCRIBE; idempotent producing needs nothing beyond WRITE.
        for topic in (rights["writes"], *(f"{read}.dlt" for read in rights["reads"])):
            yield _allow(ResourceType.TOPIC, topic, principal, AclOperation.WRITE)
        for topic in rights["reads"]:
            yield _allow(ResourceType.TOPIC, topic, principal, AclOperation.READ)
        yield _allow(
            ResourceType.GROUP, f"{declared['group_prefix']}{service}", principal,
            AclOperation.READ, ResourcePatternType.PREFIXED,
        )


def _allow(
    kind: ResourceType, name: str, principal: str, operation: AclOperation,
    pattern: ResourcePatternType = ResourcePatternType.LITERAL,
) -> AclBinding:
    return AclBinding(kind, name, pattern, principal, "*", operation, AclPermissionType.ALLOW)


def _wait(futures: Iterable[Future], *tolerated: int) -> None:
    for future in futures:
        try:
            future.result(TIMEOUT_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in tolerated:
                raise


if __name__ == "__main__":
    try:
        main()
    except KafkaException as error:
        sys.exit(f"kafka: {error.args[0].str()}")
