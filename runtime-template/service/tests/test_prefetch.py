import threading
import time
import unittest
from collections.abc import Iterator

from speaches_service import concurrency_limit
from speaches_service.prefetch import prefetch_one


class PrefetchTest(unittest.TestCase):
    def setUp(self) -> None:
        self.made: list[int] = []
        self.closed = threading.Event()

    def make(self, count: int, fails_at: int | None = None) -> Iterator[int]:
        try:
            for number in range(count):
                if number == fails_at:
                    raise ValueError("no")
                self.made.append(number)
                concurrency_limit.current_progress().is_complete = number == count - 1
                yield number
        finally:
            self.closed.set()

    def await_made(self, count: int) -> None:
        deadline = time.monotonic() + 30
        while len(self.made) < count:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)

    def test_all_pieces_arrive_and_the_last_one_is_known(self) -> None:
        self.assertEqual(list(prefetch_one(self.make(3))), [(0, False), (1, False), (2, True)])
        self.assertTrue(self.closed.wait(30))
        self.assertEqual(list(prefetch_one(iter(()))), [])

    def test_only_one_piece_is_computed_ahead(self) -> None:
        pieces = prefetch_one(self.make(5))
        next(pieces)
        self.await_made(2)
        time.sleep(0.1)
        self.assertEqual(self.made, [0, 1])
        pieces.close()

    def test_nothing_is_computed_after_the_reader_stops(self) -> None:
        pieces = prefetch_one(self.make(5))
        next(pieces)
        self.await_made(2)
        # The server does not close the iterator of a response that it does not send to its end.
        del pieces
        self.assertTrue(self.closed.wait(30))
        self.assertEqual(self.made, [0, 1])

    def test_an_error_reaches_the_reader_after_the_pieces_before_it(self) -> None:
        pieces = prefetch_one(self.make(5, fails_at=1))
        self.assertEqual(next(pieces), (0, False))
        with self.assertRaisesRegex(ValueError, "no"):
            next(pieces)
        self.assertTrue(self.closed.wait(30))


if __name__ == "__main__":
    unittest.main()
