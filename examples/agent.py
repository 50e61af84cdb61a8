"""A made-up agent that runs without a model: it reads what a human signed, answers a question, and puts the answer to the test.

    python examples/agent.py PAIR FILE…

Each file was signed before. Ledger, keys and passphrase are those of the environment, as for `lineage` itself.
"""

import re
import sys
from pathlib import Path

import ledger

TASK = "How many requests a second do forty connections serve, each held for nine seconds?"


def words(text: str) -> set[str]:
    """What a sentence is compared by."""
    return set(re.findall(r"\w{4,}", text.lower()))


def small_model(question: str, texts: list[str]) -> str:
    """Stands for a model: the sentence that shares most words with the question."""
    sentences = [sentence for text in texts for sentence in re.split(r"(?<=[.!?])\s+", text)]
    return max(sentences, key=lambda sentence: len(words(question) & words(sentence)))


def served_a_second(connections: int, held_s: int, measured_s: int = 900) -> float:
    """The test: a pool that hands out its connections as they come back, for a quarter of an hour."""
    free_at = [0] * connections
    served = 0
    while min(free_at) + held_s <= measured_s:
        free_at[free_at.index(min(free_at))] += held_s
        served += 1
    return served / measured_s


def main(by: str, *names: str) -> None:
    """Reads, answers, tests the answer, signs what came of it."""
    files = [Path(name) for name in names]
    with (
        ledger.open() as opened,
        opened.session(by=by, task=TASK, parameters={"temperature": 0}) as session,
    ):
        for file in files:
            session.read(file)
        sentence = small_model(TASK, [file.read_text() for file in files])
        answer = session.output(sentence)

        rate = served_a_second(connections=40, held_s=9)
        is_right = f"{rate:.1f}" in sentence
        session.read(answer)
        lesson = session.experience(
            case=f"40 connections, each held for 9 seconds, simulated for 15 minutes: {rate:.1f} requests a second.",
            pattern="What a pool serves is its size, divided by how long each connection is held.",
            constraints="Requests never run out, and every one holds its connection equally long.",
            uncertainty="Whether a real pool loses time between two requests; the simulation has none.",
            consequence="The answer went into the runbook." if is_right else "The answer was thrown away.",
            evidence=[answer],
            confidence=0.9,
            stake="low",
        )
        answer.receipt.result()  # the log holds it
    print(f"answer      {answer.id.hex()}")
    print(f"experience  {lesson.id.hex()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
