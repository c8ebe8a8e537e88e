"""The emulated clock. Nothing runs in the background: due actions run at the next request."""

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
        # The seconds by which the clock was advanced since the account was last emptied.
        self.advanced = 0.0
        self.pace = pace
        self._due = []

    def now(self):
        """Return emulated seconds since the epoch; inside an action, the moment at which it became due."""
        return self._present() if self._acting is None else self._acting

    def _present(self):
        return self._anchor + (time.monotonic() - self._anchor_wall) * SPEED[self.pace]

    def seen(self):
        """Return the same moment by the wall clock, for times that people read, since the emulated clock runs ahead."""
        return time.time() - (self._present() - self.now()) / SPEED[self.pace]

    def after(self, seconds, action):
        """Run `action` after `seconds` of AWS's time (at the next request when instant)."""
        heapq.heappush(self._due, (self.when(seconds), next(self._order), action))

    def when(self, seconds):
        """Return the moment that is `seconds` of AWS's time away."""
        return self.now() + (0 if self.pace == "instant" else seconds)

    def settle(self):
        """Run all due actions, in the order in which they became due."""
        # An action may schedule another due one, but never endlessly: 1000 is a bug.
        for _ in range(1000):
            if not self._due or self._due[0][0] > self._present():
                return
            due, _, action = heapq.heappop(self._due)
            # An action schedules relative to its own moment, however far the clock was advanced at once.
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
