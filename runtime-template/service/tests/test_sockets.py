import os
import socket
import sys
import unittest
from unittest import mock

from speaches_service import sockets
from speaches_service.exit_codes import ExitCode, ServiceFailure
from speaches_service.port_holder import find_port_holder


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class SocketsTest(unittest.TestCase):
    def listen(self, addresses: list[str], port: int = 0) -> list[socket.socket]:
        listeners = sockets.listen(addresses, port)
        for listener in listeners:
            self.addCleanup(listener.close)
        return listeners

    def test_port_zero_is_the_same_free_port_on_every_address(self) -> None:
        listeners = self.listen(["127.0.0.1", "127.0.0.2"] if sys.platform == "linux" else ["127.0.0.1"])
        ports = {sockets.port_of(listener) for listener in listeners}
        self.assertEqual(len(ports), 1)
        self.assertNotIn(0, ports)

    def test_a_client_can_connect_at_once(self) -> None:
        (listener,) = self.listen(["127.0.0.1"])
        with socket.create_connection(("127.0.0.1", sockets.port_of(listener)), timeout=5):
            pass

    @unittest.skipUnless(has_ipv6(), "this machine has no IPv6")
    def test_ipv6_and_ipv4_share_a_port(self) -> None:
        listeners = self.listen(["127.0.0.1", "::1"])
        self.assertEqual([listener.family for listener in listeners], [socket.AF_INET, socket.AF_INET6])
        self.assertEqual(len({sockets.port_of(listener) for listener in listeners}), 1)

    def test_a_taken_port_is_temporary_and_named(self) -> None:
        (listener,) = self.listen(["127.0.0.1"])
        port = sockets.port_of(listener)
        with self.assertRaises(sockets.PortTaken) as caught:
            sockets.listen(["127.0.0.1"], port)
        self.assertEqual(caught.exception.exit_code, ExitCode.TEMPORARY)
        self.assertIn(f"port {port} on 127.0.0.1 is taken", caught.exception.message)

    @unittest.skipUnless(sys.platform == "linux", "only Linux gives 127.0.0.2 to everybody")
    def test_nothing_stays_bound_when_one_address_is_taken(self) -> None:
        (listener,) = self.listen(["127.0.0.2"])
        port = sockets.port_of(listener)
        with self.assertRaises(sockets.PortTaken):
            sockets.listen(["127.0.0.1", "127.0.0.2"], port)
        self.listen(["127.0.0.1"], port)

    @unittest.skipUnless(sys.platform == "linux", "only Linux gives 127.0.0.2 to everybody")
    def test_port_zero_tries_again_when_the_second_address_is_taken(self) -> None:
        attempts: list[int] = []
        real_listen_on = sockets._listen_on

        def listen_on(address: str, port: int) -> socket.socket:
            attempts.append(port)
            if address == "127.0.0.2" and len(attempts) == 2:
                raise sockets.PortTaken(ExitCode.TEMPORARY, "taken")
            return real_listen_on(address, port)

        with mock.patch.object(sockets, "_listen_on", listen_on):
            listeners = self.listen(["127.0.0.1", "127.0.0.2"])
        self.assertEqual(len(attempts), 4)
        self.assertEqual(len({sockets.port_of(listener) for listener in listeners}), 1)

    def test_an_address_of_another_machine_cannot_work(self) -> None:
        with self.assertRaises(ServiceFailure) as caught:
            sockets.listen(["192.0.2.1"], 0)  # TEST-NET-1 of RFC 5737: never anybody's address
        self.assertEqual(caught.exception.exit_code, ExitCode.CANNOT_WORK)
        self.assertIn("192.0.2.1", caught.exception.message)

    def test_a_name_is_not_an_address(self) -> None:
        for address in ("localhost", "no such", "a" * 300):
            with self.assertRaises(ServiceFailure) as caught:
                sockets.listen([address], 0)
            self.assertEqual(caught.exception.exit_code, ExitCode.CANNOT_WORK)

    def test_urls_put_ipv6_in_brackets(self) -> None:
        self.assertEqual(sockets.url_of("127.0.0.1", 80), "http://127.0.0.1:80")
        self.assertEqual(sockets.url_of("::1", 80), "http://[::1]:80")


@unittest.skipUnless(os.path.exists("/proc/net/tcp"), "only Linux tells who holds a port")
class PortHolderTest(unittest.TestCase):
    def assert_held_by_us(self, address: str, port: int) -> None:
        holder = find_port_holder(address, port)
        self.assertIsNotNone(holder)
        assert holder is not None
        self.assertEqual(holder.pid, os.getpid())
        self.assertTrue(holder.name)

    def test_the_process_of_a_listening_socket_is_found(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.assert_held_by_us("127.0.0.1", server.getsockname()[1])

    def test_the_wildcard_is_in_the_way_of_every_address(self) -> None:
        with socket.create_server(("0.0.0.0", 0)) as server:
            self.assert_held_by_us("127.0.0.1", server.getsockname()[1])

    @unittest.skipUnless(has_ipv6(), "this machine has no IPv6")
    def test_ipv6_is_found_too(self) -> None:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
            self.assert_held_by_us("::1", server.getsockname()[1])

    def test_a_free_port_has_no_holder(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            self.assertIsNone(find_port_holder("127.0.0.2", port))
        self.assertIsNone(find_port_holder("127.0.0.1", port))


if __name__ == "__main__":
    unittest.main()
