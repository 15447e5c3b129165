"""The number of records of every topic, as JSON. Runs in the venv, which has a Kafka client."""

from __future__ import annotations

import json
import sys

from confluent_kafka import Consumer, TopicPartition

TIMEOUT_SECONDS = 20


def main() -> None:
    request = json.load(sys.stdin)
    consumer = Consumer({
        "bootstrap.servers": request["brokers"], "group.id": "bench",
        "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "admin", "sasl.password": request["password"],
    })
    ends = {}
    for name, topic in consumer.list_topics(timeout=TIMEOUT_SECONDS).topics.items():
        if name.startswith("__"):
            continue
        ends[name] = sum(
            consumer.get_watermark_offsets(TopicPartition(name, number), TIMEOUT_SECONDS)[1]
            for number in topic.partitions
        )
    consumer.close()
    json.dump(ends, sys.stdout)


if __name__ == "__main__":
    main()
