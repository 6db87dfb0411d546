import threading
import time
import unittest

from speaches_service import concurrency_limit
from speaches_service.concurrency_limit import Cancelled, ConcurrencyLimit, Progress


class Model:
    """A model, which the limits are keyed by."""


class ConcurrencyLimitTest(unittest.TestCase):
    def setUp(self) -> None:
        self.limit = ConcurrencyLimit()
        self.order: list[str] = []
        self.threads: list[threading.Thread] = []

    def begin(self, name: str, weight: int = 10, computed: int = 0) -> threading.Event:
        """Start a computation in a thread, which ends at the event. Returns when it runs or waits for a slot."""
        progress, end = Progress(), threading.Event()
        progress.computed = computed

        def work() -> None:
            with self.limit.slot(progress, weight):
                self.order.append(name)
                self.assertTrue(end.wait(30))

        known = self.count()
        thread = threading.Thread(target=work)
        thread.start()
        self.threads.append(thread)
        self.await_that(lambda: self.count() > known)
        return end

    def count(self) -> int:
        return len(self.limit._waiting) + len(self.limit._running)

    def await_that(self, condition: "object") -> None:
        deadline = time.monotonic() + 30
        while not condition():  # type: ignore[operator]
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)

    def tearDown(self) -> None:
        for thread in self.threads:
            thread.join(30)

    def test_pieces_of_long_texts_are_computed_one_after_the_other(self) -> None:
        first = self.begin("first", computed=100)
        second = self.begin("second", computed=50)
        third = self.begin("third", computed=10)
        self.assertEqual(self.order, ["first"])
        for end in (first, third, second):
            end.set()
        self.await_that(lambda: len(self.order) == 3)
        self.assertEqual(self.order, ["first", "third", "second"], "the one that has got the least is next")

    def test_a_short_text_is_computed_beside_a_long_one_and_only_one(self) -> None:
        long = self.begin("long", weight=90)
        self.begin("longer", weight=100).set()
        short = self.begin("short")
        another = self.begin("another")
        self.assertEqual(self.order, ["long", "short"])
        short.set()
        self.await_that(lambda: len(self.order) == 3)
        self.assertEqual(self.order[2], "another")
        for end in (long, another):
            end.set()
        self.await_that(lambda: len(self.order) == 4)

    def test_the_shorter_of_two_new_texts_goes_first(self) -> None:
        running = [self.begin("long", computed=9), self.begin("short")]
        waiting = [self.begin("second", weight=30), self.begin("first", weight=4)]
        running[1].set()
        self.await_that(lambda: len(self.order) == 3)
        self.assertEqual(self.order[2], "first")
        for end in (*running, *waiting):
            end.set()

    def test_a_long_wait_moves_a_request_forward(self) -> None:
        running = self.begin("running", computed=1)
        waiting = self.begin("long", computed=500)
        self.limit._waiting[0]._since -= 1000
        later = self.begin("later", computed=5)
        running.set()
        self.await_that(lambda: len(self.order) == 2)
        self.assertEqual(self.order[1], "long")
        for end in (waiting, later):
            end.set()

    def test_a_cancelled_request_stops_waiting(self) -> None:
        running = self.begin("running", computed=1)
        progress = Progress()
        progress.computed, progress.is_cancelled = 1, True
        with self.assertRaises(Cancelled), self.limit.slot(progress, 1):
            self.fail("it has a turn")
        running.set()
        self.await_that(lambda: not self.count())

    def test_an_error_frees_the_slot_and_counts_as_progress(self) -> None:
        progress = Progress()
        for _ in range(3):
            with self.assertRaises(ValueError), self.limit.slot(progress, 5):
                raise ValueError
        self.assertEqual((progress.computed, self.count()), (15, 0))

    def test_each_model_has_its_own_limit(self) -> None:
        one, other = Model(), Model()
        self.assertIs(concurrency_limit.limit_of(one), concurrency_limit.limit_of(one))
        self.assertIsNot(concurrency_limit.limit_of(one), concurrency_limit.limit_of(other))

    def test_a_thread_knows_the_progress_of_its_request(self) -> None:
        progress = Progress()
        with concurrency_limit.computing_for(progress):
            self.assertIs(concurrency_limit.current_progress(), progress)
        self.assertIsNot(concurrency_limit.current_progress(), progress)


if __name__ == "__main__":
    unittest.main()
