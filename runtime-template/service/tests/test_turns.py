import threading
import unittest
from collections.abc import Iterator

from speaches_service.turns import Turns, of_this_machine


class TurnsTest(unittest.TestCase):
    def test_no_more_than_the_number_work_at_a_time_and_all_get_all_pieces(self) -> None:
        turns = Turns(2)
        lock = threading.Lock()
        working, most = 0, 0
        both = threading.Barrier(2)

        def work(first: bool) -> Iterator[int]:
            nonlocal working, most
            for piece in range(3):
                with lock:
                    working += 1
                    most = max(most, working)
                if first and piece == 0:
                    both.wait(30)  # two do work at the same time
                with lock:
                    working -= 1
                yield piece

        results: list[list[int]] = []

        def read(first: bool) -> None:
            results.append(list(turns.take(work(first))))

        threads = [threading.Thread(target=read, args=(number < 2,)) for number in range(2)]
        threads += [threading.Thread(target=read, args=(False,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(results, [[0, 1, 2]] * 10)
        self.assertEqual(most, 2)

    def test_who_does_not_read_holds_no_turn(self) -> None:
        turns = Turns(1)
        stalled = turns.take(iter("abc"))
        self.assertEqual(next(stalled), "a")
        self.assertEqual(list(turns.take(iter("xyz"))), ["x", "y", "z"])
        self.assertEqual(list(stalled), ["b", "c"])

    def test_an_error_gives_the_turn_back(self) -> None:
        turns = Turns(1)

        def fail() -> Iterator[int]:
            raise ValueError
            yield 0

        for _ in range(3):
            with self.assertRaises(ValueError):
                list(turns.take(fail()))

    def test_a_machine_has_two_at_least(self) -> None:
        taken = of_this_machine()
        first, second = taken.take(iter("a")), taken.take(iter("b"))
        self.assertEqual([next(first), next(second)], ["a", "b"])


if __name__ == "__main__":
    unittest.main()
