"""The events of a Windows console."""

import unittest

from speaches_service.stop_event import answer_console_event


class ConsoleEventsTest(unittest.TestCase):
    """The numbers are those of https://learn.microsoft.com/windows/console/handlerroutine."""

    def answers(self, number: int) -> tuple[bool, int, list[float]]:
        """Whether the event is handled, the number of calls of `on_stop`, and the waits in seconds."""
        stops: list[None] = []
        waits: list[float] = []
        settled = answer_console_event(number, lambda: stops.append(None), waits.append)
        return settled, len(stops), waits

    def test_ctrl_c_is_left_to_python(self) -> None:
        self.assertEqual(self.answers(0), (False, 0, []))

    def test_ctrl_break_stops(self) -> None:
        self.assertEqual(self.answers(1), (True, 1, []))

    def test_windows_ends_the_process_when_the_handler_of_a_closed_console_returns(self) -> None:
        for number in (2, 5, 6):
            with self.subTest(number=number):
                self.assertEqual(self.answers(number), (True, 1, [5]))


if __name__ == "__main__":
    unittest.main()
