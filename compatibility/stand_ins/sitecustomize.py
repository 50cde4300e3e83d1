"""Examples draw numbers at random: here every process draws the same, so that answers can be compared."""

import random

random.uniform = lambda low, high: (low + high) / 2
random.choice = lambda items: items[0]
