import os
import socket
import sys
import unittest
from unittest import mock

from speaches_service import sockets
from speaches_service.exit_codes import ExitCode, ServiceFailure


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
            sockets.listen(["192.0.2.1"], 0)  # TEST-NET-1 of RFC 5737, which no machine has
        self.assertEqual(caught.exception.exit_code, ExitCode.CANNOT_WORK)
        self.assertIn("192.0.2.1", caught.exception.message)

    def test_urls_put_ipv6_in_brackets(self) -> None:
        self.assertEqual(sockets.url_of("127.0.0.1", 80), "http://127.0.0.1:80")
        self.assertEqual(sockets.url_of("::1", 80), "http://[::1]:80")


class AdoptTest(unittest.TestCase):
    def test_listening_sockets_are_adopted(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            descriptor = os.dup(server.fileno())
            os.set_inheritable(descriptor, True)
        (listener,) = sockets.adopt([descriptor])
        with listener:
            self.assertFalse(os.get_inheritable(descriptor))
            self.assertFalse(listener.getblocking())
            with socket.create_connection(("127.0.0.1", sockets.port_of(listener)), timeout=5):
                pass

    def test_an_invalid_socket_is_an_internal_error(self) -> None:
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        with self.assertRaises(ServiceFailure) as caught:
            sockets.adopt([reading])
        self.assertEqual(caught.exception.exit_code, ExitCode.INTERNAL)


if __name__ == "__main__":
    unittest.main()
