"""The seed of everything random in one run of the tests; BILLING_SEED repeats a run."""

import os
import random

SEED = int(os.environ.get("BILLING_SEED") or random.SystemRandom().randrange(2**32))
