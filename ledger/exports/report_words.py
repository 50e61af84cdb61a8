"""What a report says in words: one table of every code, level, kind and verdict, so that nobody has to look one up."""

from __future__ import annotations

from typing import Final, NamedTuple

from ledger.origin.reasons import Code
from ledger.origin.tally import ROW_REFUSED

VERDICTS: Final = ("admitted", "quarantined", "rejected", "undecided")  # in the order in which they are shown

VERDICT_WORDS: Final = {
    "admitted": "may enter training",
    "quarantined": "wait: not now, perhaps later",
    "rejected": "stay out",
    "undecided": "looked at, nothing decided",
}


class Explained(NamedTuple):
    """A code in plain words: what it means, and what can be done."""

    means: str
    do: str


REASONS: Final[dict[str, Explained]] = {
    Code.CLEAR: Explained("Nothing stands against the row.", "Nothing to do."),
    Code.UNLOGGED: Explained(
        "No artifact of the log is about this content.",
        "Have its author sign it, or import it as reported with its source and licence.",
    ),
    Code.UNPROVED: Explained(
        "An artifact of its ancestry was named, but not proved.",
        "Gate with the ledger or the proof that holds the whole ancestry.",
    ),
    Code.FOREIGN: Explained(
        "An ancestor stands in another log, and nothing here proves it.",
        "Get that log\u2019s proof, or have the ancestor signed in this log.",
    ),
    Code.ERASED: Explained(
        "The record of an artifact was erased; only its hash is left.",
        "Leave the row out: what it descends from cannot be told any more.",
    ),
    Code.FAULTY: Explained(
        "The log holds the artifact only in entries that break its rules.",
        "Ask its maker to sign it again in order; `lineage trace` names the fault.",
    ),
    Code.WITHHELD: Explained(
        "A record that the log must hold was not shown.",
        "Get a whole copy of the log; do not trust the source that held it back.",
    ),
    Code.DISOWNED: Explained(
        "Its maker says that the key that signed it was no longer the maker\u2019s own.",
        "Ask the maker to sign it again, or somebody you trust to attest the authorship.",
    ),
    Code.RETRACTED_BY_CURATOR: Explained(
        "A curator whom you trust took it back.",
        "Leave the row out; `lineage trace` shows the notice and its reason.",
    ),
    Code.RETRACTED_BY_MAKER: Explained(
        "Its own maker, or who answers for the maker, took it back.",
        "Leave the row out, or ask the maker for the record that replaces it.",
    ),
    Code.HELD: Explained(
        "A curator holds it back until it is released.",
        "Wait for the release, or ask the curator what is being looked into.",
    ),
    Code.CONTESTED: Explained(
        "Its maker signed two different things at one place; whose key it is, is in doubt.",
        "Wait until the maker has rotated the key, then gate again.",
    ),
    Code.DISPUTED: Explained(
        "Somebody whose word counts disputes it.",
        "Read the dispute with `lineage trace`; the policy\u2019s `verdicts.conditional` says what becomes of it.",
    ),
    Code.REFUTED: Explained(
        "An attestor whom you accept looked at it, and found its claim wrong.",
        "Read the attestation with `lineage trace`; the policy\u2019s `verdicts.conditional` says what becomes of it.",
    ),
    Code.ROW_NOTICED: Explained(
        "A notice stands on some row of the dataset that this one was made from.",
        "Have the parent named by its row, or the notice settled.",
    ),
    Code.TRAINED_ON: Explained(
        "It comes from a model; through training, nothing passes on in full.",
        "Let the policy\u2019s `verdicts.conditional` say whether such rows may enter.",
    ),
    Code.MAKER_NOT_ACCEPTED: Explained(
        "The trust file does not accept who made it.",
        "Name the maker under `makers`, or a registrar who endorses the maker, if you do trust them.",
    ),
    Code.GRADE_TOO_LOW: Explained(
        "Its maker is accepted, but with a lower grade than the policy asks for.",
        "Have the maker endorsed with such a grade, or change `makers.grades`.",
    ),
    Code.KIND_NOT_ADMITTED: Explained(
        "The policy lets no artifact of this kind and stance in.",
        "Add the kind under `rows`, `reported` or `ancestors.kinds`, if it should enter.",
    ),
    Code.DERIVED_BY_STRANGER: Explained(
        "It was derived by somebody who does not answer for its parents, and by no trusted tool.",
        "Name the tool under `tools` in the trust file, or have the parents\u2019 own makers derive it.",
    ),
    Code.LEVEL_TOO_LOW: Explained(
        "Less of its origin is known than the policy asks for its kind.",
        "Have its maker sign it, or somebody independent vouch for it: see the levels below.",
    ),
    Code.SHARES_UNSTATED: Explained(
        "Its maker left open how much of it is by people, and the policy counts that as unknown.",
        "Ask the maker for a record that states the shares.",
    ),
    Code.HUMAN_SHARE_TOO_SMALL: Explained(
        "Too small a part of it is known to be by people.",
        "Leave the row out, or lower `shares.human_least_ppm`.",
    ),
    Code.LICENSE_NOT_ALLOWED: Explained(
        "Its licence, or an ancestor\u2019s, is none that the policy allows.",
        "Leave the row out, or add the licence under `rights.licenses`.",
    ),
    Code.LICENSE_UNSTATED: Explained(
        "Neither the row nor what it was derived from states a licence.",
        "Ask who made it for the licence.",
    ),
    Code.TRAIN_DENIED: Explained(
        "Who made it does not allow training on it.",
        "Leave the row out, or ask the maker for consent.",
    ),
    Code.TRAIN_CONSTRAINED: Explained(
        "Training on it is allowed under conditions only.",
        "Look whether you meet them; `rights.train_constrained` says what becomes of such rows.",
    ),
    Code.TRAIN_UNSTATED: Explained(
        "Nobody said whether it may be trained on.",
        "Ask the maker for consent to training.",
    ),
    Code.SOURCE_NOT_ALLOWED: Explained(
        "It comes from a source that the policy does not allow.",
        "Leave the row out, or change the policy\u2019s `sources`.",
    ),
    Code.SOURCE_UNSTATED: Explained(
        "Nobody said where it comes from.",
        "Ask who made or imported it for the source.",
    ),
    Code.NOT_VOUCHED: Explained(
        "It is only reported, and nobody whom you accept has vouched for it yet.",
        "Have somebody independent attest it with `lineage attest`.",
    ),
    Code.TOO_FEW_ATTESTATIONS: Explained(
        "Fewer independent people attest it than the policy asks for.",
        "Have more people attest it with `lineage attest`.",
    ),
    Code.TOO_YOUNG: Explained(
        "It has not been in the log for as long as the policy asks.",
        "Wait, then gate again; `age.quarantine_s` says for how long.",
    ),
    ROW_REFUSED: Explained(
        "No reader takes the row: it is broken, empty or too large.",
        "Mend the dataset; the reader\u2019s own reason stands in the verdict file.",
    ),
}

LEVELS: Final[dict[str, tuple[str, str]]] = {
    "L4": (
        "reality-bound",
        "an experience with stated consequence, whose evidence somebody independent checked",
    ),
    "L3": ("vouched", "anchored, and somebody independent vouches; witnesses cosigned the log"),
    "L2": ("anchored", "signed by its maker: a person, or a machine for whom a person answers"),
    "L1": ("logged", "in the log, but only reported, or made by nobody for whom a person answers"),
    "L0": ("unlogged", "nothing in the log proves anything of it"),
}

KINDS: Final = {
    "work": "made by a person",
    "experience": "an interaction that reality tested",
    "abstract": "distilled by learning; no origin of its own",
    "output": "made by a model",
    "derived": "made by a tool from its parents",
    "model": "a model",
    "dataset": "a row of a dataset",
    "": "no artifact known",
}

STANCES: Final = {"made": "", "reported": "only reported by whoever signed", "": ""}

TRAIN: Final = {
    "allowed": "training allowed",
    "denied": "training denied",
    "constrained": "training under conditions",
    "": "training not mentioned",
}

# DESIGN of the ledger: what is printed in every report.
LIMITS: Final = (
    ("A signature proves control of a key", "not humanity, authorship or truth."),
    (
        "\u201cHuman\u201d is a graded claim",
        "made by somebody with a name; it is never simply true or false.",
    ),
    ("Standing in the log proves \u201cexisted by\u201d", "never \u201ccreated at\u201d."),
    ("Shares are claims", "until somebody brings evidence."),
    ("Lies become attributable and permanent", "not impossible."),
)
