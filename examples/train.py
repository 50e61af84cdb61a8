"""Trains on the rows that the gate admitted, and on no other: python examples/train.py DATASET VERDICTS

The model counts which character follows which; take any other. With PyTorch its DataLoader reads, in two workers; without it, this loop.
"""

import sys
from collections import Counter
from itertools import pairwise

import ledger


def main(dataset: str, verdicts: str) -> None:
    """Reads every admitted row once. A row that is not the one that was judged ends it."""
    rows = ledger.admitted_rows(dataset, verdicts, column="text", shuffle_rows=1_000)
    try:
        from torch.utils.data import DataLoader  # noqa: PLC0415 - it need not be installed
    except ImportError:
        texts = rows
    else:
        texts = DataLoader(ledger.for_torch(rows), batch_size=None, num_workers=2)
    model = Counter(pair for text in texts for pair in pairwise(text))
    print(f"trained on {len(rows)} of {rows.about['count']} rows: {len(model)} pairs of characters")


if __name__ == "__main__":
    main(*sys.argv[1:])
