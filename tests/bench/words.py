"""Text that looks written: what rich_database fills its columns and data.py its small files with."""
import itertools


class Words:
    """Sentences over 4,000 made-up words whose frequency falls with their rank (Zipf's law)."""

    def __init__(self, rng):
        self.rng = rng
        syllables = [c + v + e for c in ("b", "d", "f", "g", "h", "k", "l", "m", "n", "pr", "r", "s", "st", "t", "tr", "v", "w") for v in "aeiou" for e in ("", "n", "r", "s", "l")]
        made = {"".join(rng.choices(syllables, k=rng.choice((1, 1, 2, 2, 3)))) for _ in range(8_000)}
        self.words = rng.sample(sorted(made), 4_000)  # sorted: the order of a set is another one in each process
        self.weights = list(itertools.accumulate(1 / (rank + 2) for rank in range(len(self.words))))

    def sentence(self, count):
        return " ".join(self.rng.choices(self.words, cum_weights=self.weights, k=count))
