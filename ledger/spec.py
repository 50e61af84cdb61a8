"""What SPEC.md fixes: the version, the domain tags, and every limit with its unit (SPEC §13)."""

from __future__ import annotations

from typing import Final, NewType

LogIndex = NewType("LogIndex", int)  # 0-based position of an entry in the log
RecordIndex = NewType("RecordIndex", int)  # 0-based position of a record in its statement
TreeSize = NewType("TreeSize", int)  # number of leaves

FORMAT_VERSION: Final = 1  # `v` of records and statements (SPEC §3)
FOLD_VERSION: Final = 2  # `fold` of the state entries that this version writes (SPEC §9.6)
FOLDS_KNOWN: Final = frozenset({1, 2})  # fold numbers whose rules this version knows
STORE_VERSION: Final = 2  # layout of a ledger folder; not part of any signed byte

# Domain tags (SPEC §2). Each ends in a newline, so that none is a prefix of another.
TAG_LOG: Final = b"lineage/log/v1\n"
TAG_STATEMENT: Final = b"lineage/statement/v1\n"
TAG_KEYSET: Final = b"lineage/keyset/v1\n"
TAG_SEALED: Final = b"lineage/sealed/v1\n"
TAG_TOPIC: Final = b"lineage/topic/v1\n"
TAG_CHAIN: Final = b"lineage/chain/v1\n"
TAG_CHAIN_VALUE: Final = b"lineage/chain-value/v1\n"
TAG_PSEUDONYM: Final = b"lineage/pseudonym/v1\n"
TAG_COLUMN: Final = b"lineage/column/v1\n"
TAG_PROFILE: Final = b"lineage/profile/v1\n"

# Hash prefixes: 0x00 and 0x01 are RFC 6962's; the prefix tree has its own (SPEC §9.3).
PREFIX_LEAF: Final = b"\x00"
PREFIX_NODE: Final = b"\x01"
PREFIX_STATUS_LEAF: Final = b"\x02"
PREFIX_STATUS_NODE: Final = b"\x03"
PREFIX_STATUS_EMPTY: Final = b"\x04"

PAYLOAD_TYPE: Final = "application/vnd.lineage.statement+msgpack"  # DSSE payload type (SPEC §6)

# Names of files that travel (SPEC §11.4, §12.4).
RECEIPT_SUFFIX: Final = ".tlog-proof"
ROW_RECEIPTS_SUFFIX: Final = ".receipts.parquet"
VIEWS_SUFFIX: Final = ".views"
SALT_SUFFIX: Final = ".salt"
ANCESTRY_SUFFIX: Final = ".lineage"

ROWS_MAGIC: Final = b"lineage/rows/v1\n"  # what a rows sidecar begins with (SPEC §10.7)

HASH_BYTES: Final = 32
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
LANE_BYTES: Final = 16
SALT_BYTES: Final = 32

PPM: Final = 1_000_000  # the whole, in parts per million
INTEGER_MAX: Final = 2**53 - 1  # greatest |integer| in signed bytes
TIME_MAX_MS: Final = INTEGER_MAX  # unix milliseconds

CODEC_DEPTH_MAX: Final = 8  # nested containers
CODEC_ARRAY_MAX: Final = 512  # items of one array
CODEC_MAP_MAX: Final = 32  # keys of one map

RECORD_BYTES_MAX: Final = 16_384
PAYLOAD_BYTES_MAX: Final = 24_576
EVIDENCE_PAYLOAD_BYTES_MAX: Final = 60_160  # payload of an `evidence` statement, which holds two others
ENTRY_BYTES_MAX: Final = 65_535  # a u16 length prefix (C2SP tlog-tiles)
RECEIPT_BYTES_MAX: Final = 1_048_576
NOTE_BYTES_MAX: Final = 1_048_576
NOTE_SIGNATURES_MAX: Final = 64  # signature lines of one note; C2SP asks for at least 16
TLOG_POLICY_BYTES_MAX: Final = 1_048_576  # text of a tlog-policy: an ML-DSA-44 vkey alone has 1,800
TLOG_POLICY_NAMES_MAX: Final = 256  # logs, witnesses, groups of one, each; C2SP asks for at least 32

PARENTS_MAX: Final = 256
SUBJECTS_MAX: Final = 512
STATEMENT_RECORDS_MAX: Final = 65_536
STATEMENT_RECORDS_BYTES_MAX: Final = 67_108_864  # records of one statement, together
ROWS_MAX: Final = 1_048_576  # row digests under one `rows` record
ROWS_GROUP: Final = 256  # rows under one group hash of a rows sidecar (SPEC §10.7)
KEYS_MAX: Final = 8  # keys of one keyset
KEYS_ML_DSA_MAX: Final = 2  # of them with ml-dsa-44, so that two signed payloads fit into an `evidence`
VKEYS_MAX: Final = 8
RULES_IDENTITIES_MAX: Final = 256  # registrars, curators named by admission rules
EVIDENCE_DIGESTS_MAX: Final = 64
KINDS_MAX: Final = 7  # kinds named by a delegation's scope
TREE_SIZE_MAX: Final = 2**48

ORIGIN_CHARS_MAX: Final = 128
NAME_CHARS_MAX: Final = 64
MEDIA_CHARS_MAX: Final = 127
LICENSE_CHARS_MAX: Final = 128
URI_CHARS_MAX: Final = 512

TILE_WIDTH: Final = 256  # hashes in a full tile, entries and records in a full bundle
TILE_HEIGHT: Final = 8

CONTENT_BYTES_MAX: Final = 1_099_511_627_776  # a file: 1 TiB
GUESSABLE_BYTES: Final = 64  # `raw` content of fewer bytes may be guessed from its digest (SPEC §15)
PROFILE_BYTES_MAX: Final = 65_536  # a sealed profile (SPEC §10.8)
ROW_BYTES_MAX: Final = 4_194_304  # a row of a dataset: 4 MiB
STORED_CELL_BYTES_MAX: Final = (
    268_435_456  # a cell of a table beside what is judged, where rows are handed out: 256 MiB
)
ARROW_BATCH_BYTES_MAX: Final = 268_435_456  # a record batch of an Arrow file, unpacked; all its dictionaries
STRETCH_BYTES: Final = 1_048_576  # of a shard that are read, and checked when an import goes on, at once
SETTINGS_BYTES_MAX: Final = 1_048_576  # a trust or policy file
GATE_RUN_BYTES_MAX: Final = 65_536  # of what an unfinished gate is bound to
GATE_TALLY_BYTES_MAX: Final = 67_108_864  # of what was counted in one segment
TALLY_KEYS_MAX: Final = 4_096  # makers, anchors, licences, sources that a gate counts one by one, each
TALLY_SAMPLES_MAX: Final = 3  # rows of each verdict and code that stand for the others
TALLY_NODES_MAX: Final = 40  # artifacts of such a row's ancestry that are shown
TALLY_TEXT_CHARS_MAX: Final = 600  # of such a row that are shown
SEGMENT_BYTES: Final = 268_435_456  # of a dataset's file that are gated, and written, as one piece
VERDICT_GROUP_ROWS: Final = 65_536  # of a verdict file, in one row group (SPEC §12.5)
VERDICT_GROUP_BYTES_MAX: Final = 134_217_728  # of such a row group
VERDICT_FOOTER_BYTES_MAX: Final = 16_777_216  # of a verdict file: about 1.5 thousand million rows
VERDICT_ABOUT_BYTES_MAX: Final = 1_048_576  # metadata of a verdict file
VERDICT_COLUMN_CHARS_MAX: Final = 65_536  # the name of a column that is judged
VERDICT_NAME_CHARS_MAX: Final = 1_024  # of a dataset, a policy or a program, as people call it
VERDICT_WHY_BYTES_MAX: Final = 1_024  # the reason of a verdict, in words
JSON_DEPTH_MAX: Final = 64  # nested objects and arrays in JSON content that is made canonical
RECOVERY_WAIT_S: Final = 604_800  # from a `recover` until it is in force, by the log's clock (SPEC §7.2)
ERASE_WAIT_S: Final = 604_800  # from an `erase` until it may be carried out, by the log's clock (SPEC §8.2)
CLOCK_AHEAD_MAX_S: Final = 300  # how far ahead of its own clock a log signs a time (SPEC §9.5)

COMMIT_ENTRIES_MAX: Final = 4_096  # statements in one commit
COMMIT_BYTES_MAX: Final = 134_217_728  # records and entries in one commit, together
PARCEL_BYTES_MAX: Final = 2 * COMMIT_BYTES_MAX  # of a parcel: no more than a commit takes, with its lengths
COMMIT_SAID_BYTES_MAX: Final = 2_097_152  # entries in one commit that sign no records, together
WRITER_WAIT_S: Final = 30  # how long a second writer waits by default
SIGNER_WAIT_S: Final = (
    60  # for an answer of a signer outside of this process; a person may have to confirm it there
)
AGENT_LOOK_WAIT_S: Final = 5  # for the same where it is only looked whether it is there
AGENT_ANSWER_BYTES_MAX: Final = 262_144  # of an ssh-agent; OpenSSH's own limit

# A batch (`ledger.api.batch`): what is signed beside the log, in the background.
BATCH_RECORDS: Final = 4_096  # records of one statement, by default
BATCH_AGE_S: Final = 1.0  # after which a statement is cut, however few records wait, by default
BATCH_QUEUE_RECORDS_MAX: Final = 131_072  # added and not signed; who adds more waits
BATCH_QUEUE_BYTES_MAX: Final = 134_217_728  # of them, with what is to be kept beside the log
BATCH_ADD_WAIT_S: Final = 60  # how long who adds waits for room
BATCH_WAITING_MAX: Final = 262_144  # records signed and not answered that are held in memory
BATCH_TRIES_MAX: Final = 3  # how often a record is signed anew because another one of its lane was refused
VAULT_WAIT_S: Final = 30  # how long who keeps salts waits for others
VAULT_PENDING_MAX: Final = 16_384  # salts that wait in memory to be kept together

# Ancestry proofs (SPEC §11.2).
PROOF_LOGS_MAX: Final = 16  # logs of one file
PROOF_POINTS_MAX: Final = 64  # earlier log checkpoints of one log in it
PROOF_DISCLOSED_BYTES_MAX: Final = 4_194_304  # a content or profile that is disclosed in it
PROOF_STRANGERS_MAX: Final = 1_024  # who attests or endorses, is not listed, and is shown like a maker

# Remembered log checkpoints (SPEC §12.4).
CHECKPOINT_EVIDENCE_MAX: Final = 64  # notes that are kept as evidence, of one log; and as many `.views`
VIEWS_BYTES_MAX: Final = (
    2 * NOTE_BYTES_MAX + 4_096
)  # of two views: both notes, a root and a consistency proof
CHECKPOINT_MEMORY_WAIT_S: Final = 30  # how long who remembers one waits for others
COSIGNED_NOTES_MAX: Final = 64  # cosigned notes that are given at once

# Witnesses that are asked for cosignatures, and what is kept of them (SPEC §10.9).
WITNESS_WAIT_S: Final = 30  # for all answers of one witness to one log checkpoint
WITNESS_ANSWER_BYTES_MAX: Final = (
    262_144  # of one answer, with its headers: 64 lines of ML-DSA-44 have 220,000
)
WITNESS_REQUESTS_MAX: Final = 3  # to one witness for one log checkpoint: its size may move while it is asked
WITNESS_URL_CHARS_MAX: Final = 2_048
WITNESSES_AT_ONCE: Final = 16  # that are waited for at the same time
COSIGNED_KEPT_MAX: Final = 64  # cosigned notes that are kept beside a log
COSIGNED_WAIT_S: Final = 30  # how long who keeps one waits for others
