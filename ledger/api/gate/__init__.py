"""The gate: from a dataset, a policy and a trust file to a verdict a row (SPEC §12.3). `Ledger.gate` and `lineage gate` are its doors.

    dataset --workers--> digests --claims--> artifact ids --verified ancestry, judge--> verdicts --> verdict file, admitted rows, tally

Rows go through in *blocks*: so many digests are looked up at once that a look-up costs little, and so few that memory stays as it is whatever the
dataset's length. A verdict depends on a row's own claims alone, so that blocks, workers and the order of rows change none.
"""
