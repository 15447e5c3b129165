"""Apache Kafka of an instance: one KRaft node with SCRAM users, an authorizer, nobody anonymous.

Topics, service users and ACLs are declared in `scripts/kafka/topics.toml` and applied by
`kafka_admin.py`, which runs in the venv because it needs a Kafka client.
"""

from __future__ import annotations

import json
import subprocess
import tomllib
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from tradewind import paths, secrets_store
from tradewind.console import Failure, say
from tradewind.instance import KAFKA_CONTROLLER_PORT, KAFKA_PORT, Instance

ADMIN = "admin"  # the super user that provisions; services never know its password
ADMIN_TIMEOUT_SECONDS = 60
HEAP = "512m"


def prepare(instance: Instance) -> None:
    """Writes the broker's settings and formats its folder on the first start."""
    secrets_store.write_private(properties_file(instance), _settings(instance))
    data = instance.data / "kafka"
    if not (data / "meta.properties").exists():
        _format(instance)


def command(instance: Instance) -> list[str]:
    """The broker in the foreground, for the supervisor."""
    return [
        "java", f"-Xmx{HEAP}", "-Xms128m",
        # One small heap on a machine with few cores: the simple collector starts faster.
        "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        "-Djava.net.preferIPv4Stack=true",
        f"-Dlog4j2.configurationFile={paths.SCRIPTS / 'kafka/log4j2.xml'}",
        "-cp", _class_path(), "kafka.Kafka", str(properties_file(instance)),
    ]


def ready(instance: Instance) -> bool:
    """Whether the broker answers an authenticated metadata request."""
    return _administer(instance, {"action": "ready"}).returncode == 0


def provision(instance: Instance) -> None:
    """Users, topics and ACLs as `topics.toml` declares them. Safe to repeat."""
    with (paths.SCRIPTS / "kafka/topics.toml").open("rb") as file:
        declared = tomllib.load(file)
    passwords = {
        service: secrets_store.read(instance, f"kafka.{service}")
        for service in declared["services"]
    }
    request = {
        "action": "provision", "environment": "local",
        "declared": declared, "passwords": passwords,
    }
    result = _administer(instance, request)
    if result.returncode != 0:
        raise Failure(f"could not make Kafka's users, topics and ACLs:\n{result.stderr}")


def _administer(instance: Instance, request: dict) -> subprocess.CompletedProcess[str]:
    """Hands a request to `kafka_admin.py` on its standard input: passwords are in no argument."""
    request = {
        **request,
        "brokers": f"{instance.address('kafka')}:{KAFKA_PORT}",
        "username": ADMIN,
        "password": secrets_store.read(instance, "kafka.admin"),
    }
    return subprocess.run(
        [str(paths.VENV / "bin/python"), "-B",
         str(paths.SCRIPTS / "tradewind/kafka_admin.py")],
        input=json.dumps(request), timeout=ADMIN_TIMEOUT_SECONDS,
        capture_output=True, text=True, check=False,
    )


def _format(instance: Instance) -> None:
    """Formats the folder with the users that must exist before anybody can log in."""
    say(f"formatting Kafka's folder of instance {instance.number}")
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    arguments = [
        "-cp", _class_path(), f"-Dlog4j2.configurationFile={paths.SCRIPTS / 'kafka/log4j2.xml'}",
        "kafka.tools.StorageTool", "format", "--standalone", "--ignore-formatted",
        "--cluster-id", cluster_id, "--config", str(properties_file(instance)),
    ]
    for user in (ADMIN, "broker"):
        password = secrets_store.read(instance, f"kafka.{user}")
        arguments += [
            "--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]",
        ]
    # The launcher reads everything, the program's arguments too, from a private file: the
    # passwords never stand in the process list.
    argument_file = instance.secret_file("kafka.format")
    secrets_store.write_private(argument_file, "\n".join(f'"{word}"' for word in arguments))
    try:
        result = subprocess.run(
            ["java", f"@{argument_file}"], capture_output=True, text=True, check=False
        )
    finally:
        argument_file.unlink()
    if result.returncode != 0:
        raise Failure(f"could not format Kafka's folder:\n{result.stdout}{result.stderr}")


def _class_path() -> str:
    return f"{paths.KAFKA / 'libs'}/*"


def properties_file(instance: Instance) -> Path:
    """The broker's settings."""
    # It holds passwords, so it lies with the secrets.
    return instance.secret_file("kafka.server.properties")


def _settings(instance: Instance) -> str:
    address = instance.address("kafka")
    broker = secrets_store.read(instance, "kafka.broker")
    controller = secrets_store.read(instance, "kafka.controller")
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required"
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    return f"""\
# Written by scripts/tradewind/kafka.py at every start.
process.roles=broker,controller
node.id=1
listeners=BROKER://{address}:{KAFKA_PORT},CONTROLLER://{address}:{KAFKA_CONTROLLER_PORT}
advertised.listeners=BROKER://{address}:{KAFKA_PORT},CONTROLLER://{address}:{KAFKA_CONTROLLER_PORT}
controller.quorum.bootstrap.servers={address}:{KAFKA_CONTROLLER_PORT}
controller.listener.names=CONTROLLER
inter.broker.listener.name=BROKER
listener.security.protocol.map=BROKER:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
sasl.mechanism.controller.protocol=PLAIN
listener.name.broker.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.broker.scram-sha-512.sasl.jaas.config={scram} username="broker" password="{broker}";
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config={plain} username="controller" \
password="{controller}" user_controller="{controller}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:{ADMIN};User:broker;User:controller
auto.create.topics.enable=false
log.dirs={instance.data / "kafka"}
num.partitions=6
# One node: internal topics cannot have more copies, and 50 partitions of offsets only cost time.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A consumer that died gives its partitions back after 6 s; with the defaults it took 46 s.
group.consumer.min.session.timeout.ms=6000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=1000
group.consumer.heartbeat.interval.ms=2000
# A group forms at once instead of waiting for members that a laptop does not have.
group.initial.rebalance.delay.ms=0
"""
