"""The emulated clock. Nothing runs in the background: what is due happens at the next request."""

import heapq
import itertools
import time

# Emulated seconds per second of wall time. `instant` has no delays at all.
SPEED = {"instant": 1.0, "fast": 20.0, "real": 1.0}


class Clock:
    def __init__(self, pace="instant"):
        self._order = itertools.count()
        self._anchor_wall = time.monotonic()
        self._anchor = time.time()
        self._acting = None
        # How far it was moved since the account was last emptied.
        self.advanced = 0.0
        self.pace = pace
        self._due = []

    def now(self):
        """Emulated seconds since the epoch; inside an action, the moment at which it fell due."""
        return self._present() if self._acting is None else self._acting

    def _present(self):
        return self._anchor + (time.monotonic() - self._anchor_wall) * SPEED[self.pace]

    def seen(self):
        """The same moment by the wall clock, for times that people read: the emulated one runs ahead of it."""
        return time.time() - (self._present() - self.now()) / SPEED[self.pace]

    def after(self, seconds, action):
        """Runs `action` once `seconds` of AWS's time have passed (at the next request when instant)."""
        heapq.heappush(self._due, (self.when(seconds), next(self._order), action))

    def when(self, seconds):
        """The moment that is `seconds` of AWS's time away."""
        return self.now() + (0 if self.pace == "instant" else seconds)

    def settle(self):
        """Does all that is due, in the order in which it fell due."""
        # An action may schedule another that is due as well, never endlessly: 1000 is a bug.
        for _ in range(1000):
            if not self._due or self._due[0][0] > self._present():
                return
            due, _, action = heapq.heappop(self._due)
            # What an action schedules counts from its own moment, however far the clock was moved at once.
            self._acting = due
            try:
                action()
            finally:
                self._acting = None
        raise RuntimeError("the sandbox's clock never comes to rest")

    def advance(self, seconds):
        self._anchor += seconds
        self.advanced += seconds

    def set_pace(self, pace):
        if pace not in SPEED:
            raise ValueError(f"no such pace: {pace}")
        self._anchor, self._anchor_wall = self._present(), time.monotonic()
        self.pace = pace
        if pace == "instant":
            self._due = [(min(due, self._anchor), n, action) for due, n, action in self._due]
            heapq.heapify(self._due)

    def forget(self):
        """Nothing is due any more, and it is as late as on this machine: an empty account has seen no other time."""
        self._due.clear()
        self._anchor, self._anchor_wall = time.time(), time.monotonic()
        self.advanced = 0.0


CLOCK = Clock()
