"""The parts of the platform that decide something, without starting anything (make lint)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
import unittest
from collections import Counter
from base64 import urlsafe_b64decode
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tradewind import chaos_faults, chaos_witness, dev_jwt, edges, gateway  # noqa: E402
from tradewind import instance, paths, secrets_store  # noqa: E402
from tradewind.programs import Options, all_programs  # noqa: E402
from tradewind.supervisor import _quoted  # noqa: E402


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Scratch(unittest.TestCase):
    """Tests whose files lie in a folder of their own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for patch in (
            mock.patch.object(paths, "LOCAL", self.folder),
            mock.patch.object(instance, "LOCKS", self.folder / "locks"),
        ):
            patch.start()
            self.addCleanup(patch.stop)


class AnInstance(Scratch):
    def test_has_addresses_of_its_own(self) -> None:
        self.assertEqual(instance.Instance(7).address("order"), "127.77.7.12")
        self.assertEqual(instance.Instance(0).rest_url, "http://127.0.0.1:8080")
        self.assertEqual(instance.Instance(7).rest_url, "http://127.77.7.10:8080")

    def test_is_taken_once_and_says_by_whom(self) -> None:
        lock = instance.take(3)
        with self.assertRaises(instance.Taken) as refused:
            instance.take(3)
        self.assertEqual(refused.exception.owner, str(paths.ROOT))
        os.close(lock)
        os.close(instance.take(3))

    def test_of_a_test_is_the_first_free_one(self) -> None:
        held = instance.take(1)
        chosen, lock = instance.take_free()
        self.assertEqual(chosen.number, 2)
        os.close(held)
        os.close(lock)

    def test_keeps_sockets_within_the_107_bytes_of_a_unix_path(self) -> None:
        self.assertLess(len(str(instance.Instance(99).supervisor_socket)), 100)


class ASecret(Scratch):
    def test_is_private_and_stays_untouched_when_equal(self) -> None:
        path = self.folder / "secret"
        secrets_store.write_private(path, "a")
        before = path.stat().st_ino
        secrets_store.write_private(path, "a")
        self.assertEqual((path.stat().st_ino, path.stat().st_mode & 0o777), (before, 0o600))
        secrets_store.write_private(path, "b")
        self.assertEqual(path.read_text(), "b")


class ADevelopmentToken(Scratch):
    def test_verifies_with_the_published_key(self) -> None:
        shop = instance.Instance(5)
        shop.run.mkdir(parents=True)
        dev_jwt.ensure_key(shop)
        signed, signature = dev_jwt.token(shop, "c1", ["customer"]).rsplit(".", 1)
        header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        [key] = json.loads((shop.run / "jwks.json").read_text())["keys"]
        self.assertEqual((header["kid"], header["alg"]), (key["kid"], "ES256"))
        self.assertEqual((claims["sub"], claims["aud"]), ("c1", ["tradewind"]))
        self.assertTrue(self._verifies(shop, signed, _decoded(signature)))
        self.assertFalse(self._verifies(shop, signed + "x", _decoded(signature)))

    def _verifies(self, shop: instance.Instance, signed: str, raw: bytes) -> bool:
        numbers = b"".join(self._integer(raw[start:start + 32]) for start in (0, 32))
        (self.folder / "sig").write_bytes(bytes([0x30, len(numbers)]) + numbers)
        return subprocess.run(
            ["openssl", "dgst", "-sha256", "-prverify", str(shop.run / "jwt-key.pem"),
             "-signature", str(self.folder / "sig")],
            input=signed.encode(), capture_output=True, check=False,
        ).returncode == 0

    @staticmethod
    def _integer(number: bytes) -> bytes:
        digits = number.lstrip(b"\0")
        digits = (b"\0" if digits[0] & 0x80 else b"") + digits
        return bytes([2, len(digits)]) + digits


class TheGateway(Scratch):
    def test_gives_every_status_a_code_and_hides_what_lies_behind(self) -> None:
        lines = gateway._local_replies().splitlines()
        mappers = [json.loads(line.removeprefix("- ")) for line in lines]
        for mapper in mappers:
            body = mapper["body_format_override"]["json_format"]
            self.assertEqual(sorted(body), ["code", "details", "message"])
        for status, _code, message in gateway.ERRORS:
            if status >= 500:
                self.assertNotIn("%", message or "%")

    def test_sends_each_service_its_own_methods_only(self) -> None:
        routes = [json.loads(line.removeprefix("- ")) for line in gateway._routes().splitlines()]
        self.assertEqual(
            {route["match"]["prefix"]: route["route"]["cluster"] for route in routes},
            {f"/shop.{s}.v1.{s.capitalize()}Service/": s for s in instance.SERVICES},
        )


class Kafka(unittest.TestCase):
    def test_lets_each_topic_be_written_by_one_service(self) -> None:
        services = tomllib.loads((paths.SCRIPTS / "kafka/topics.toml").read_text())["services"]
        written = [rights["writes"] for rights in services.values()]
        self.assertEqual(len(written), len(set(written)))
        for name, rights in services.items():
            self.assertNotIn(rights["writes"], rights["reads"], name)
            self.assertLessEqual(set(rights["reads"]), set(written), name)


class ThePrograms(Scratch):
    def test_carry_no_secret_in_command_or_environment(self) -> None:
        shop = instance.Instance(5)
        (shop.run / "secrets").mkdir(parents=True)
        secrets_store.ensure(shop)
        secrets = {secrets_store.read(shop, name) for name in secrets_store.NAMES}
        for program in all_programs(shop, Options()):
            text = " ".join([*program.command, *program.environment.values()])
            self.assertFalse(any(secret in text for secret in secrets), program.name)

    def test_survive_supervisords_expansions(self) -> None:
        self.assertEqual(_quoted('50% "x"'), '"50%% \\"x\\""')


class AChaosRun(Scratch):
    def test_is_the_same_for_the_same_seed_and_another_for_another(self) -> None:
        plan = chaos_faults.plan
        self.assertEqual(plan(7, 3, True), plan(7, 3, True))
        self.assertNotEqual(plan(7, 3, True), plan(8, 3, True))

    def test_leaves_out_nothing_but_the_full_disk_where_it_may_not_mount(self) -> None:
        everything = chaos_faults.plan(7, 3, True)
        rest = [fault for fault in everything if fault.kind != "fill"]
        self.assertEqual(chaos_faults.plan(7, 3, False), rest)
        self.assertLess(len(rest), len(everything))

    def test_has_every_fault_in_three_minutes_and_ends_in_time(self) -> None:
        for seed in range(50):
            plan = chaos_faults.plan(seed, 3, True)
            kinds = {(fault.kind, fault.program) for fault in plan}
            self.assertLessEqual({("kill", name) for name in chaos_faults.KILLED}, kinds)
            self.assertLessEqual({("away", "kafka"), ("away", "postgres")}, kinds)
            self.assertLessEqual({("fill", "kafka"), ("restart", "postgres")}, kinds)
            self.assertTrue(any(kind == "freeze" for kind, _ in kinds), seed)
            self.assertLess(max(fault.at + fault.seconds for fault in plan), 3 * 60)

    def test_takes_kafka_away_for_five_minutes_when_it_has_the_time(self) -> None:
        for seed in range(50):
            plan = chaos_faults.plan(seed, 15, True)
            away = [fault.seconds for fault in plan if fault.kind == "away"]
            self.assertIn(chaos_faults.KAFKA_LONG_AWAY_SECONDS, away)
            frozen = {fault.program for fault in plan if fault.kind == "freeze"}
            self.assertEqual(frozen, set(chaos_faults.FREEZE_SECONDS))

    def test_adds_up_counters_across_deaths(self) -> None:
        witness = chaos_witness.Witness(instance.Instance(7))
        for value in (3, 5, 2, 2):
            witness._add("order", f'{chaos_witness.EVENTS} result="duplicate"', value)
        self.assertEqual(witness.counted()["duplicates dropped"], 5 + 2)

    def test_admits_a_mail_twice_only_if_the_log_does(self) -> None:
        shop = instance.Instance(7)
        shop.make_folders()
        for number, message_id in enumerate(["e1.h", "e1.h", "e2.h", "e2.h", "e3.h", "e3.i"]):
            mail = f"Message-ID: <{message_id}@tradewind.local>\n\nhello\n"
            (shop.mail / f"{number}.eml").write_text(mail)
        message = f"an earlier try got no answer: {chaos_witness.REPEATED}"
        log = {"message": message, "message_id": "<e1.h@tradewind.local>"}
        (shop.logs / "notification.log").write_text(json.dumps(log) + "\n")
        kept, broken = chaos_witness.mails(shop)
        self.assertEqual((kept, len(broken)), (6, 2), broken)
        self.assertEqual(Counter(text.split()[1] for text in broken).keys(),
                         {"e2.h@tradewind.local", "e3"})


class AnEdge(unittest.TestCase):
    def test_is_allowed_by_name_pattern_or_for_tests(self) -> None:
        rule = edges.Only("rustls", ("mesh-*",), ("shop-e2e",), "")
        self.assertTrue(edges._allowed(rule, "mesh-transport", None))
        self.assertTrue(edges._allowed(rule, "shop-e2e", "dev"))
        self.assertFalse(edges._allowed(rule, "shop-e2e", None))
        self.assertFalse(edges._allowed(rule, "shop-order", "dev"))


if __name__ == "__main__":
    unittest.main()
