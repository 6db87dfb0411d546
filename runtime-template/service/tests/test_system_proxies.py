"""Proxies from the system's settings."""

import unittest

from speaches_service.system_proxies import variables

_PROXIES = {"http": "http://proxy:3128", "https": "http://proxy:3129", "ftp": "http://proxy:3130"}


class SystemProxies(unittest.TestCase):
    """The tests pass the settings as values."""

    def test_proxies_become_variables_with_this_machine_as_an_exception(self) -> None:
        self.assertEqual(
            variables({"PATH": "/bin"}, _PROXIES, ["*.local", "169.254/16", "*"]),
            {
                "http_proxy": "http://proxy:3128",
                "https_proxy": "http://proxy:3129",
                "no_proxy": "127.0.0.1,localhost,::1,.local,169.254/16",
            },
        )

    def test_variables_of_the_user_stay_alone(self) -> None:
        for name in ("HTTPS_PROXY", "no_proxy", "all_proxy"):
            with self.subTest(name):
                self.assertEqual(variables({name: "x"}, _PROXIES), {})

    def test_without_a_proxy_nothing_is_set(self) -> None:
        self.assertEqual(variables({}, {}), {})
        self.assertEqual(variables({}, {"ftp": "http://proxy:3130"}), {})


if __name__ == "__main__":
    unittest.main()
